"""Translation by neural models that CTranslate2 runs: OPUS-MT, Argos packages, M2M-100 and NLLB, from a folder.

    opus-mt-en-es/       model.bin, config.json, shared_vocabulary.json, source.spm, target.spm
    translate-en_es-1_0/ metadata.json, sentencepiece.model, model/{model.bin, …}      (Argos, unpacked)
    m2m100/, nllb/       model.bin, config.json, shared_vocabulary.json, sentencepiece.bpe.model

Made by ``ct2-transformers-converter --model FOLDER --output_dir FOLDER --copy_files source.spm target.spm``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earshot.core.errors import EngineError, ModelError, UnsupportedError
from earshot.core.optional import require
from earshot.text.apertium_packages import language_code, language_names
from earshot.text.translation import joined_lines, translatable_lines

_EXTRA = "translate"
_END = "</s>"
_BATCH = 32
_MAX_JSON = 64 * 2**20
_BOTH_MARKS = (re.compile(r"__([a-z]{2,3})__"), re.compile(r"([a-z]{3}_[A-Z][a-z]{3})"))  # M2M-100, NLLB
_TARGET_MARK = re.compile(r">>([A-Za-z_]{2,20})<<")  # OPUS-MT models with several targets
_VOCABULARIES = ("shared_vocabulary", "target_vocabulary", "vocabulary")


class CTranslate2Translator:
    """One model, one pair. Safe to call from several threads.

    folder: see above. source, target: ``en``, ``en-GB``; the model's own names (``spa_Latn``) are taken too.
    beam_size: 1 is quickest. num_threads: None for all cores. device: "cpu", "cuda" or "auto".
    Raises ModelError for a folder that is no such model, is damaged, or speaks other languages;
    MissingExtraError; UnsupportedError for a tokenizer that is not SentencePiece.
    """

    def __init__(
        self,
        folder: Path,
        source: str,
        target: str,
        *,
        beam_size: int = 2,
        num_threads: int | None = None,
        device: str = "cpu",
    ) -> None:
        files = _find_files(folder, source, target)
        self.name = f"ctranslate2/{folder.resolve().name}"
        self.source, self.target = language_code(source), language_code(target)
        self._beam_size = beam_size
        self._ends_source = files.ends_source
        self._source_prefix, self._target_prefix = _prefixes(files, source, target)
        self._source_pieces = _load_pieces(files.source_pieces)
        self._target_pieces = _load_pieces(files.target_pieces)
        ctranslate2 = require("ctranslate2", extra=_EXTRA, purpose="translating by a CTranslate2 model")
        try:
            self._model: Any = ctranslate2.Translator(
                str(files.model), device=device, intra_threads=num_threads or 0, compute_type="default"
            )
        except (RuntimeError, ValueError, IndexError, OSError, MemoryError) as error:
            raise ModelError(f"{files.model} cannot be loaded ({error})", fix="get the model again") from error

    def translate(self, text: str) -> str:
        """See Translator.translate. Text that does not end is cut after about 400 characters."""
        lines = translatable_lines(text)
        sentences = [sentence for line in lines for sentence in line]
        translated = iter(self._translated(sentences))
        return joined_lines([next(translated) for _ in line] for line in lines)

    def close(self) -> None:
        """Release the weights."""
        self._model = None

    def __enter__(self) -> CTranslate2Translator:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _translated(self, sentences: Sequence[str]) -> list[str]:
        if self._model is None:
            raise EngineError(f"{self.name} is closed", fix="make a new translator")
        tokens = [self._tokens(sentence) for sentence in sentences]
        # A sentence without a single piece (a joiner alone) would be an error to CTranslate2.
        asked = [place for place, pieces in enumerate(tokens) if pieces]
        found = list(sentences)
        for at in range(0, len(asked), _BATCH):
            batch = asked[at : at + _BATCH]
            for place, pieces in zip(batch, self._decoded([tokens[place] for place in batch]), strict=True):
                found[place] = self._target_pieces.decode(pieces).strip()
        return found

    def _tokens(self, sentence: str) -> list[str]:
        pieces = self._source_pieces.encode(sentence, out_type=str)
        return [*self._source_prefix, *pieces, *([_END] if self._ends_source else [])] if pieces else []

    def _decoded(self, tokens: list[list[str]]) -> list[list[str]]:
        limit = min(512, 20 + 2 * max(map(len, tokens)))  # a model that repeats itself shall come to an end
        prefix = [self._target_prefix] * len(tokens) if self._target_prefix else None
        try:
            results = self._model.translate_batch(
                tokens, prefix, beam_size=self._beam_size, max_decoding_length=limit, disable_unk=True
            )
        except (RuntimeError, ValueError) as error:
            raise EngineError(f"{self.name} failed ({error})", fix="check the model") from error
        return [self._without_prefix(result.hypotheses[0]) for result in results]

    def _without_prefix(self, pieces: list[str]) -> list[str]:
        num_prefix = len(self._target_prefix)
        return pieces[num_prefix:] if pieces[:num_prefix] == self._target_prefix else pieces


@dataclass(frozen=True, slots=True)
class _Files:
    """model: the folder of model.bin. ends_source: whether it wants an end token that it does not add."""

    model: Path
    source_pieces: Path
    target_pieces: Path
    vocabulary: frozenset[str]
    metadata: dict[str, object]
    ends_source: bool


def is_translation_model(folder: Path) -> bool:
    """Whether a folder looks like a model for this module, by the names of its files."""
    return _model_folder(folder) is not None and _pieces(folder) is not None


def _model_folder(folder: Path) -> Path | None:
    return next((place for place in (folder, folder / "model") if (place / "model.bin").is_file()), None)


def _pieces(folder: Path) -> tuple[Path, Path] | None:
    source, target = folder / "source.spm", folder / "target.spm"
    if source.is_file() and target.is_file():
        return source, target
    for name in ("sentencepiece.model", "sentencepiece.bpe.model", "spm.model", "spiece.model"):
        if (folder / name).is_file():
            return folder / name, folder / name
    return None


def _find_files(folder: Path, source: str, target: str) -> _Files:
    model, pieces = _model_folder(folder), _pieces(folder)
    if model is None:
        raise ModelError(
            f"{folder} holds no translation model: there is no model.bin",
            fix="convert the model with ct2-transformers-converter, or unpack the .argosmodel file",
        )
    if pieces is None:
        if (folder / "bpe.model").is_file():
            raise UnsupportedError(
                f"{folder} cuts words by BPE, not by SentencePiece", fix="take a newer package of this pair"
            )
        raise ModelError(
            f"{folder} has no SentencePiece model (source.spm and target.spm, or sentencepiece.model)",
            fix="copy it there from the original model: ct2-transformers-converter --copy_files",
        )
    metadata = _json_object(folder / "metadata.json")
    _check_languages(folder, metadata, source, target)
    config = _json_object(model / "config.json")
    ends_source = config.get("decoder_start_token") == _END and not config.get("add_source_eos")
    return _Files(model, *pieces, _vocabulary(model), metadata, ends_source)


def _check_languages(folder: Path, metadata: dict[str, object], source: str, target: str) -> None:
    known = metadata.get("from_code"), metadata.get("to_code")
    if not all(isinstance(code, str) for code in known):
        return
    if [language_code(str(code)) for code in known] != [language_code(source), language_code(target)]:
        raise ModelError(
            f"{folder} translates from {known[0]} to {known[1]}, not from {source} to {target}",
            fix="name another model",
        )


def _prefixes(files: _Files, source: str, target: str) -> tuple[list[str], list[str]]:
    """What a model of several languages wants to see before the source, and before the target."""
    if given := files.metadata.get("target_prefix"):
        return [], [str(given)]
    for pattern in _BOTH_MARKS:
        if len(marks := _marks(files.vocabulary, pattern)) > 1:
            return [_mark_of(source, marks, files)], [_mark_of(target, marks, files)]
    marks = _marks(files.vocabulary, _TARGET_MARK)
    return ([_mark_of(target, marks, files)], []) if marks else ([], [])


def _marks(vocabulary: Iterable[str], pattern: re.Pattern[str]) -> dict[str, str]:
    """The tokens that name languages, by those names (``spa_Latn``)."""
    return {match[1]: token for token in vocabulary if (match := pattern.fullmatch(token))}


def _mark_of(language: str, marks: Mapping[str, str], files: _Files) -> str:
    names = (language, language_code(language), *language_names(language))
    by_language = {name.split("_")[0]: mark for name, mark in sorted(marks.items(), reverse=True)}
    found = [known[name] for known in (marks, by_language) for name in names if name in known]
    if not found:
        raise ModelError(
            f"{files.model} does not know the language {language}",
            fix=f"name one as the model does: {', '.join(sorted(marks)[:20])}",
        )
    return found[0]


def _vocabulary(model: Path) -> frozenset[str]:
    tokens = _tokens_of(model)
    if not tokens:
        raise ModelError(f"{model} lacks its vocabulary", fix="get the model again")
    return tokens


def _tokens_of(model: Path) -> frozenset[str]:
    for name in _VOCABULARIES:
        if (path := model / f"{name}.json").is_file():
            tokens = _json(path)
            return frozenset(map(str, tokens)) if isinstance(tokens, list) else frozenset()
        if (path := model / f"{name}.txt").is_file():
            return frozenset(_read(path).splitlines())
    return frozenset()


def _json_object(path: Path) -> dict[str, object]:
    data = _json(path) if path.is_file() else {}
    return data if isinstance(data, dict) else {}


def _json(path: Path) -> object:
    try:
        return json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is no JSON ({error})", fix="get the model again") from error


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_JSON:
            raise ModelError(f"{path} is larger than any vocabulary", fix="get the model again")
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror})", fix="check its permissions") from error


def _load_pieces(path: Path) -> Any:
    sentencepiece = require("sentencepiece", extra=_EXTRA, purpose="translating by a CTranslate2 model")
    processor = sentencepiece.SentencePieceProcessor()
    try:
        processor.load(str(path))
    except (RuntimeError, OSError) as error:
        raise ModelError(f"{path} is no SentencePiece model", fix="get the model again") from error
    return processor
