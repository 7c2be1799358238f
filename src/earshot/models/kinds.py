"""Which engine a folder of files is for, told by the files themselves."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from earshot.core.errors import ModelError

LOOKED_FOR = {
    "vosk": "am/final.mdl or conf/mfcc.conf",
    "whisper": "model.bin with vocabulary.txt or vocabulary.json (CTranslate2)",
    "wav2vec2": "config.json of a …ForCTC model with model.safetensors",
    "sherpa": "tokens.txt (or NAME-tokens.txt) with *.onnx or *.ort",
    "translation": "model.bin with source.spm and target.spm, or with sentencepiece.model (OPUS-MT, Argos)",
    "moonshine": "encoder_model.ort, decoder_model_merged.ort and tokenizer.bin",
    "pocketsphinx": "mdef in a folder with means and variances, *.dict and *.lm.bin",
}
_PICKLE_SUFFIXES = {".pt", ".pth", ".ckpt", ".pkl", ".pickle"}


@dataclass(frozen=True, slots=True)
class Kind:
    """engine: its name in the registry, or "translation"; sample_rate: Hz, None where the files do not say."""

    engine: str
    sample_rate: int | None = None


def detect_kind(folder: Path) -> Kind | None:
    """The kind of model in ``folder``, None when none of ``LOOKED_FOR`` is there."""

    def has(*names: str) -> bool:
        return all((folder / name).is_file() for name in names)

    if has("am/final.mdl") or has("conf/mfcc.conf") or has("final.mdl", "mfcc.conf"):
        return Kind("vosk", _vosk_sample_rate(folder))
    if has("encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin"):
        return Kind("moonshine", 16_000)
    if has("model.bin") and (has("vocabulary.txt") or has("vocabulary.json")):
        return Kind("whisper", 16_000)
    if _is_translation(folder):
        return Kind("translation")
    if _is_ctc(folder / "config.json"):
        return Kind("wav2vec2", _transformers_sample_rate(folder))
    if _is_sherpa(folder):
        return Kind("sherpa", 16_000)
    if _is_sphinx(folder):
        return Kind("pocketsphinx", 16_000)
    return None


def unknown_kind(folder: Path, name: str) -> ModelError:
    """The error for files that ``detect_kind`` does not know."""
    looked = "; ".join(f"{engine}: {files}" for engine, files in LOOKED_FOR.items())
    there = ", ".join(sorted(path.name for path in folder.iterdir())[:6]) or "nothing"
    return ModelError(
        f"{name} is no model that Earshot knows (it holds {there})", fix=f"it should hold one of: {looked}"
    )


def is_pickle(path: Path) -> bool:
    """Whether a file is a Python pickle or a torch checkpoint, which can run code when it is loaded."""
    if path.suffix.lower() in _PICKLE_SUFFIXES or path.name.startswith("pytorch_model"):
        return True
    if path.suffix.lower() != ".bin":
        return False
    with path.open("rb") as file:
        head = file.read(512)
    # A pickle opens with its protocol, a torch checkpoint is a zip of "…/data.pkl"; a CTranslate2 model.bin
    # opens with the number of its format, a small little-endian integer.
    return (head[:1] == b"\x80" and 2 <= head[1] <= 5) or (head[:4] == b"PK\x03\x04" and b"data.pkl" in head)


def without_pickles(folder: Path, kind: Kind | None, name: str) -> None:
    """Delete the pickles in ``folder`` (a copy of ours); raise ModelError when they are the only weights."""
    pickles = [path for path in folder.rglob("*") if path.is_file() and is_pickle(path)]
    weights = [*folder.rglob("*.safetensors"), *folder.rglob("*.onnx")]
    if (kind is None or kind.engine == "wav2vec2") and pickles and not weights:
        raise ModelError(
            f"the weights of {name} are a Python pickle ({pickles[0].name}), which can run any code",
            fix="convert it where you trust it, with transformers: "
            "AutoModelForCTC.from_pretrained(FOLDER).save_pretrained(FOLDER, safe_serialization=True)",
        )
    for path in pickles:
        path.unlink()


def _is_sherpa(folder: Path) -> bool:
    """Tokens beside networks. Whisper's files all begin with a name, as in ``tiny.en-tokens.txt``."""
    names = [path.name for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    has_tokens = any(name == "tokens.txt" or name.endswith("-tokens.txt") for name in names)
    return has_tokens and any(name.endswith((".onnx", ".ort")) for name in names)


def _is_sphinx(folder: Path) -> bool:
    """An acoustic model, in the folder or in one of its own, beside a dictionary and a language model."""
    has_words = any(folder.glob("*.dict")) or any(folder.glob("*.dic"))
    has_language = any(any(folder.glob(pattern)) for pattern in ("*.lm.bin", "*.lm", "*.lm.gz", "*.dmp"))
    return has_words and has_language and any((*folder.glob("mdef"), *folder.glob("*/mdef")))


def _is_translation(folder: Path) -> bool:
    """Whether it is a CTranslate2 model with its SentencePiece files: of the model, or of an Argos package."""
    has_model = (folder / "model.bin").is_file() or (folder / "model" / "model.bin").is_file()
    pieces = ("source.spm", "sentencepiece.model", "sentencepiece.bpe.model")
    return has_model and any((folder / name).is_file() for name in pieces)


def _is_ctc(config: Path) -> bool:
    architectures = _read_json(config).get("architectures")
    return isinstance(architectures, list) and any(str(name).endswith("ForCTC") for name in architectures)


def _transformers_sample_rate(folder: Path) -> int | None:
    rate = _read_json(folder / "preprocessor_config.json").get("sampling_rate")
    return rate if isinstance(rate, int) and rate > 0 else None


def _read_json(path: Path) -> dict[str, object]:
    try:
        if path.stat().st_size > 2**20:
            return {}
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _vosk_sample_rate(folder: Path) -> int | None:
    for name in ("conf/mfcc.conf", "mfcc.conf"):
        try:
            text = (folder / name).read_bytes()[:10_000].decode("utf-8", "replace")
        except OSError:
            continue
        if found := re.search(r"^\s*--sample-frequency\s*=\s*(\d{4,6})", text, re.MULTILINE):
            return int(found[1])
    return None
