"""Makes sherpa-onnx recognizers of a checked model, each tried in another process before."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from earshot.core.errors import EngineError, ModelError
from earshot.core.optional import require
from earshot.engines.base import EngineOptions
from earshot.engines.sherpa_files import sentencepiece_vocabulary
from earshot.engines.sherpa_models import MOONSHINE_2, SherpaModel
from earshot.engines.sherpa_probe import probe
from earshot.engines.sherpa_words import TokenStyle, token_style

_ENDPOINTS = {
    "enable_endpoint_detection": True,
    "rule1_min_trailing_silence": 2.4,  # nothing was said
    "rule2_min_trailing_silence": 0.8,  # something was: as long as the streams of our offline engines wait
    "rule3_min_utterance_length": 30.0,
}


class Loader:
    """Makes sherpa-onnx recognizers of one checked model, each tried elsewhere before."""

    def __init__(self, model: SherpaModel, options: EngineOptions) -> None:
        self.model = model
        self.style = TokenStyle(joins=False, capitals=False)
        if not model.is_base64 and model.tokens:
            self.style = token_style(model.tokens.values())
        self._sherpa = require("sherpa_onnx", extra="sherpa", purpose="the sherpa engine")
        self._options = options

    def load(self, *, with_hot_words: bool = False) -> Any:
        """A recognizer. Raises ModelError, or EngineError when the installed sherpa-onnx is too old for it."""
        kind = self.model.kind
        class_name = "OnlineRecognizer" if kind.is_streaming else "OfflineRecognizer"
        factory = getattr(getattr(self._sherpa, class_name), kind.factory, None)
        if factory is None:
            raise EngineError(
                f"this sherpa-onnx is too old for models of the kind {kind.name}",
                fix="pip install -U 'earshot[sherpa]'",
            )
        with self._arguments(with_hot_words) as arguments:
            probe(self.model.folder, class_name, kind.factory, arguments)
            try:
                return factory(**arguments)
            except Exception as error:  # whatever pybind11 makes of a C++ exception
                raise ModelError(
                    f"sherpa-onnx cannot use the model in {self.model.folder}: {error}",
                    fix="check the files: earshot models verify",
                ) from error

    @contextlib.contextmanager
    def _arguments(self, with_hot_words: bool) -> Iterator[dict[str, Any]]:
        """Arguments of the factory; files that are made for the moment of loading are gone afterwards."""
        kind = self.model.kind
        threads = self._options.num_threads or os.cpu_count() or 1
        arguments: dict[str, Any] = {
            **{kind.arguments[role]: str(path) for role, path in self.model.files.items()},
            **kind.more,
            "num_threads": threads,
            "provider": self._options.device,
            "tokens": str(self.model.tokens_path),
        }
        if kind.is_streaming:
            arguments |= _ENDPOINTS
        if kind.language_argument and self._options.language:
            arguments[kind.language_argument] = self._options.language
        with tempfile.TemporaryDirectory(prefix="earshot-") as folder:
            if kind is MOONSHINE_2 and not self.model.tokens:
                arguments["tokens"] = str(Path(folder) / "tokens.txt")
                _write_moonshine_tokens(self.model.tokens_path, Path(arguments["tokens"]))
            if with_hot_words:
                arguments |= self._hot_word_arguments(Path(folder))
            yield arguments

    def _hot_word_arguments(self, folder: Path) -> dict[str, Any]:
        unit = modeling_unit(self.model)
        arguments: dict[str, Any] = {"decoding_method": "modified_beam_search", "modeling_unit": unit or ""}
        if unit and "bpe" in unit:
            vocabulary = self.model.folder / "bpe.vocab"
            if not vocabulary.is_file():
                vocabulary = folder / "bpe.vocab"
                vocabulary.write_text(
                    sentencepiece_vocabulary(self.model.folder / "bpe.model"), encoding="utf-8"
                )
            arguments["bpe_vocab"] = str(vocabulary)
        return arguments


class HotWords:
    """The second recognizer, with beam search, that hot words need; loaded when they are first given."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._recognizer: Any = None

    def recognizer(self) -> Any:
        """Loaded at the first call. Raises as ``Loader.load``."""
        if self._recognizer is None:
            self._recognizer = self._loader.load(with_hot_words=True)
        return self._recognizer

    def spelled(self, hot_words: Sequence[str]) -> str:
        """As sherpa-onnx reads them: parted by slashes, in the case that the vocabulary has."""
        cleaned = [" ".join(re.sub(r"[/:#@\n]", " ", word).split()) for word in hot_words]
        cleaned = [word.upper() if self._loader.style.capitals else word for word in cleaned if word]
        return "/".join(cleaned)

    def close(self) -> None:
        """Release its weights."""
        self._recognizer = None


def modeling_unit(model: SherpaModel) -> str | None:
    """How sherpa-onnx shall spell hot words with this vocabulary; None where it cannot."""
    has_pieces = any((model.folder / name).is_file() for name in ("bpe.vocab", "bpe.model"))
    has_characters = any("\u4e00" <= token[0] <= "\u9fff" for token in model.tokens.values() if len(token) == 1)
    if has_pieces:
        return "cjkchar+bpe" if has_characters else "bpe"
    return "cjkchar" if has_characters else None


def _write_moonshine_tokens(tokenizer: Path, tokens: Path) -> None:
    """sherpa-onnx reads Moonshine's pieces in base 64; an empty one would put its lines out of step."""
    from earshot.engines.moonshine_model import Tokenizer

    pieces = Tokenizer(tokenizer).pieces
    lines = [f"{base64.b64encode(piece or b' ').decode()} {i}\n" for i, piece in enumerate(pieces)]
    tokens.write_text("".join(lines), encoding="ascii")
