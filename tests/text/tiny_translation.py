"""Real but tiny translation models with random weights, made in seconds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

SENTENCES = [
    "the house is red and the dog is small",
    "la casa es roja y el perro es pequeño",
    "where is the station",
    "dónde está la estación",
    "we meet again on monday morning",
    "nos vemos otra vez el lunes por la mañana",
]


def need_converter() -> None:
    for module in ("ctranslate2", "sentencepiece"):
        pytest.importorskip(module, reason=f"{module} is not installed: pip install 'earshot[translate]'")
    for module in ("torch", "transformers"):
        pytest.importorskip(module, reason=f"{module} makes the model: pip install 'earshot[wav2vec2]'")


def train_pieces(folder: Path, name: str, *, num_pieces: int = 90) -> Path:
    """A SentencePiece model of the sentences."""
    import sentencepiece

    (folder / "sentences.txt").write_text("\n".join(SENTENCES * 20), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "sentences.txt"),
        model_prefix=str(folder / "trained"),
        vocab_size=num_pieces,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return (folder / "trained.model").rename(folder / name)


def pieces_in(model: Path) -> list[str]:
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor()
    processor.load(str(model))
    return [processor.id_to_piece(index) for index in range(processor.get_piece_size())]


def convert(checkpoint: Path, target: Path) -> Path:
    from ctranslate2.converters import TransformersConverter

    TransformersConverter(str(checkpoint)).convert(str(target), force=True)
    return target


def make_opus(folder: Path, *, marks: tuple[str, ...] = ()) -> Path:
    """A Marian checkpoint as OPUS-MT's, converted. marks: of the target language, as in ``>>es<<``."""
    import torch
    from transformers import MarianConfig, MarianMTModel

    checkpoint = folder / "checkpoint"
    checkpoint.mkdir(parents=True)
    pieces = train_pieces(checkpoint, "source.spm")
    shutil.copy(pieces, checkpoint / "target.spm")
    tokens = ["</s>", "<unk>", *marks]
    tokens += [piece for piece in pieces_in(pieces) if piece not in {"<s>", *tokens}] + ["<pad>"]
    (checkpoint / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    pad = len(tokens) - 1
    (checkpoint / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "MarianTokenizer", "source_lang": "en", "target_lang": "es"})
    )
    torch.manual_seed(1)
    config = MarianConfig(
        vocab_size=len(tokens), d_model=16, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=32,
        decoder_ffn_dim=32, encoder_attention_heads=2, decoder_attention_heads=2, max_position_embeddings=512,
        pad_token_id=pad, decoder_start_token_id=pad, eos_token_id=0, forced_eos_token_id=None,
        scale_embedding=True, static_position_embeddings=True,
        init_std=0.4,  # large enough for the output to depend on the input
    )  # fmt: skip
    MarianMTModel(config).save_pretrained(checkpoint)
    model = convert(checkpoint, folder / "opus-mt-en-es")
    for name in ("source.spm", "target.spm"):
        shutil.copy(checkpoint / name, model / name)
    return model


def as_argos(opus: Path, folder: Path) -> Path:
    """The same weights laid out as an unpacked Argos package."""
    package = folder / "translate-en_es-1_0"
    shutil.copytree(opus, package / "model", ignore=shutil.ignore_patterns("*.spm"))
    shutil.copy(opus / "source.spm", package / "sentencepiece.model")
    (package / "metadata.json").write_text(json.dumps({"from_code": "en", "to_code": "es"}))
    return package


def make_m2m(folder: Path) -> Path:
    """An M2M-100 checkpoint, converted: any of its hundred languages into any other."""
    import torch
    from transformers import M2M100Config, M2M100ForConditionalGeneration, M2M100Tokenizer

    checkpoint = folder / "checkpoint"
    checkpoint.mkdir(parents=True)
    model_file = train_pieces(checkpoint, "sentencepiece.bpe.model")
    tokens = ["<s>", "<pad>", "</s>", "<unk>"]
    tokens += [piece for piece in pieces_in(model_file) if piece not in tokens]
    (checkpoint / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    tokenizer = M2M100Tokenizer(str(checkpoint / "vocab.json"), str(model_file), num_madeup_words=100)
    tokenizer.save_pretrained(checkpoint)
    torch.manual_seed(2)
    marks = {index: mark for mark, index in tokenizer.lang_token_to_id.items()}
    config = M2M100Config(
        vocab_size=max(marks) + 1, d_model=16, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=32,
        decoder_ffn_dim=32, encoder_attention_heads=2, decoder_attention_heads=2, max_position_embeddings=512,
        decoder_start_token_id=2, init_std=0.4,
    )  # fmt: skip
    M2M100ForConditionalGeneration(config).save_pretrained(checkpoint)
    model = convert(checkpoint, folder / "m2m")
    # The converter asks tokenizers for their marks in a way that newer ones do not answer, and leaves room.
    vocabulary = tokens + [marks[index] for index in range(len(tokens), max(marks) + 1)]
    (model / "shared_vocabulary.json").write_text(json.dumps(vocabulary))
    shutil.copy(model_file, model / "sentencepiece.bpe.model")
    return model


def reference(checkpoint: Path, text: str, *, source: str | None = None, target: str | None = None) -> str:
    """What ``transformers`` makes of the text, with the same beam and limits as ours."""
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint, local_files_only=True)
    model = AutoModelForSeq2SeqLM.from_pretrained(checkpoint, local_files_only=True).eval()
    options = {}
    if source is not None:
        tokenizer.src_lang = source
        options["forced_bos_token_id"] = tokenizer.get_lang_id(target)
    inputs = tokenizer(text, return_tensors="pt")
    limit = min(512, 20 + 2 * inputs["input_ids"].shape[1])
    with torch.inference_mode():
        tokens = model.generate(
            **inputs,
            num_beams=1,
            do_sample=False,
            max_new_tokens=limit,
            suppress_tokens=[tokenizer.unk_token_id],
            **options,
        )
    said = str(tokenizer.decode(tokens[0], skip_special_tokens=True))
    return said.strip().removeprefix(f"__{target}__").strip()
