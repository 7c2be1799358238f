"""A real Whisper that fits into a test: two layers of decoder that know ten seconds of Dickens by heart.

The encoder is its convolutions alone (its one layer adds nothing), so that a step on 30 s of sound is cheap.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from earshot.core.types import SAMPLE_RATE, Samples
from tests.engines.tiny_wav2vec2 import PHRASES, one_thread

LANGUAGES = ("en", "de", "fr")
SPOKEN = ("It was the best of times, it was the worst of times.", "It was the age of wisdom.",
          "It was the age of foolishness.", "It was the epoch of belief.")  # fmt: skip
"""What Whisper writes for ``PHRASES``."""

_SPECIAL = (
    "<|endoftext|>",
    "<|startoftranscript|>",
    *(f"<|{language}|>" for language in LANGUAGES),
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
)
_NUM_TIMESTAMPS = 1_501
_NUM_CLIPS = 80
_NUM_STEPS = 600
_LEARNING_RATE = 3e-3


def make_whisper(samples: Samples, folder: Path, *, is_multilingual: bool = True) -> None:
    """Train on the ten seconds of ``samples``, convert, and write a CTranslate2 model into ``folder``."""
    import torch
    import transformers
    from ctranslate2.converters import TransformersConverter

    source = folder.with_name(folder.name + "-transformers")
    source.mkdir(parents=True)
    tokenizer = _tokenizer()
    tokenizer.save(str(source / "tokenizer.json"))
    ids = {token: tokenizer.token_to_id(token) for token in _SPECIAL}
    with one_thread(torch):
        torch.manual_seed(0)
        model = transformers.WhisperForConditionalGeneration(_config(tokenizer.get_vocab_size(), ids))
        _learn(torch, model, tokenizer, samples, _prompt(ids, is_multilingual))
    model.generation_config.suppress_tokens = []
    model.generation_config.begin_suppress_tokens = [ids["<|endoftext|>"]]
    model.save_pretrained(source)
    settings = {
        "tokenizer_class": "WhisperTokenizer",
        "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
    }
    (source / "tokenizer_config.json").write_text(json.dumps(settings))
    transformers.WhisperFeatureExtractor().save_pretrained(source)
    TransformersConverter(str(source), copy_files=["tokenizer.json", "preprocessor_config.json"]).convert(
        str(folder)
    )
    if is_multilingual:
        _make_multilingual(folder, sorted(ids[f"<|{code}|>"] for code in LANGUAGES))


def _make_multilingual(folder: Path, language_ids: list[int]) -> None:
    """CTranslate2 knows a multilingual vocabulary by the empty token: ours takes the last timestamp's place."""
    vocabulary = json.loads((folder / "vocabulary.json").read_text())
    (folder / "vocabulary.json").write_text(json.dumps([*vocabulary[:-1], ""]))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"lang_ids": language_ids}))


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([f" {text}" for text in SPOKEN], trainer)
    tokenizer.add_special_tokens(list(_SPECIAL))
    return tokenizer


def _config(num_tokens: int, ids: dict[str, int]) -> Any:
    import transformers

    return transformers.WhisperConfig(
        vocab_size=num_tokens + _NUM_TIMESTAMPS,
        d_model=64,
        encoder_layers=1,
        encoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_layers=2,
        decoder_attention_heads=2,
        decoder_ffn_dim=128,
        dropout=0.0,
        pad_token_id=ids["<|endoftext|>"],
        bos_token_id=ids["<|endoftext|>"],
        eos_token_id=ids["<|endoftext|>"],
        decoder_start_token_id=ids["<|startoftranscript|>"],
    )


def _prompt(ids: dict[str, int], is_multilingual: bool) -> list[int]:
    language = ("<|en|>", "<|transcribe|>") if is_multilingual else ()
    return [ids[token] for token in ("<|startoftranscript|>", *language, "<|notimestamps|>")]


def _learn(torch: Any, model: Any, tokenizer: Any, samples: Samples, prompt: list[int]) -> None:
    rng = np.random.default_rng(0)
    end = tokenizer.token_to_id("<|endoftext|>")
    layers = model.model.encoder.layers
    model.model.encoder.layers = torch.nn.ModuleList()
    optimizer = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, _NUM_STEPS, pct_start=0.1)
    clips = [_clip(samples, rng) for _ in range(_NUM_CLIPS)]
    model.train()
    for _ in range(_NUM_STEPS):
        batch = [clips[index] for index in rng.integers(_NUM_CLIPS, size=4)]
        said = [[*prompt, *tokenizer.encode(f" {text}").ids, end] for _, text in batch]
        longest = max(map(len, said))
        labels = torch.tensor([tokens + [-100] * (longest - len(tokens)) for tokens in said])
        inputs = torch.where(labels < 0, end, labels)
        features = torch.from_numpy(np.stack([spectrogram for spectrogram, _ in batch]))
        logits = model(features, decoder_input_ids=inputs[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    model.model.encoder.layers = layers
    with torch.no_grad():
        for last in (layers[0].self_attn.out_proj, layers[0].fc2):
            last.weight.zero_()
            last.bias.zero_()


def _clip(samples: Samples, rng: np.random.Generator) -> tuple[Any, str]:
    """A run of phrases between other edges each time: its spectrogram, and its text."""
    from faster_whisper.audio import pad_or_trim
    from faster_whisper.feature_extractor import FeatureExtractor

    first = int(rng.integers(len(PHRASES)))
    last = min(first + int(rng.choice(4, p=(0.5, 0.15, 0.1, 0.25))), len(PHRASES) - 1)
    earliest = -0.6 if first == 0 else -0.1  # the recording begins with silence
    start = max(0, int((PHRASES[first][0] + rng.uniform(earliest, 0.05)) * SAMPLE_RATE))
    cut = samples[start : int((PHRASES[last][1] + rng.uniform(-0.05, 0.1)) * SAMPLE_RATE)]
    spectrogram = pad_or_trim(FeatureExtractor()(cut)[..., :-1])
    return spectrogram.astype(np.float32), " ".join(SPOKEN[first : last + 1])
