"""A summary in new words, by a sequence-to-sequence model of the user's (BART, T5, PEGASUS …), offline.

    AbstractiveSummarizer(folder).summarize(transcript)

Such models can write what nobody said: where that matters, take ``earshot.text.summary``, which only chooses.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from earshot.core.errors import EngineError, ModelError
from earshot.core.optional import require
from earshot.core.types import Segment, Transcript
from earshot.text.sentences import split_segments, split_text

_EXTRA = "wav2vec2"  # which brings torch and transformers
_PURPOSE = "summarizing in new words"
_MAX_INPUT = 1_024
"""Tokens read at once, where the model does not say; more costs memory by the square."""

_MAX_PASSES = 4


class AbstractiveSummarizer:
    """Reads as much at once as the model can, and summarizes the summaries where there is more.

    folder: a checkpoint of ``transformers`` with config.json, safetensors and its tokenizer. Nothing in it is
    run as code and nothing is fetched. device: "cpu" or what torch calls its accelerators.
    Raises ModelError for a folder that is none or whose weights are a pickle, MissingExtraError. Not safe to
    call from two threads at once.
    """

    def __init__(self, folder: Path | str, *, num_beams: int = 2, device: str = "cpu") -> None:
        folder = Path(folder).expanduser()
        config = _checked_config(folder)
        self.name = folder.resolve().name
        self._torch = require("torch", extra=_EXTRA, purpose=_PURPOSE)
        self._tokenizer, self._model = _load(folder)
        try:
            self._model.to(device)
        except (RuntimeError, AssertionError) as error:  # torch asserts that it was built with CUDA
            raise EngineError(
                f"torch cannot use the device {device!r}: {_first_line(error)}", fix="use cpu"
            ) from error
        self._device = device
        self._num_beams = num_beams
        self._prefix = _prefix(config)
        self._max_input = _max_input(config, self._tokenizer)

    def summarize(self, source: Transcript | Sequence[Segment] | str, *, max_tokens: int = 120) -> str:
        """The summary, of at most ``max_tokens`` of the model's tokens; empty for no text.

        Raises EngineError when the model fails (memory, a device that went away).
        """
        if max_tokens < 1:
            raise ValueError(f"a summary has at least one token, not {max_tokens}")
        sentences = _sentences(source)
        for _ in range(_MAX_PASSES):
            windows = list(self._windows(sentences))
            if len(windows) < 2:
                break
            parts = [self._generate(window, max_tokens) for window in windows]
            sentences = [sentence for part in parts for sentence in split_text(part)]
        windows = list(self._windows(sentences))
        return self._generate(windows[0], max_tokens) if windows else ""

    def _windows(self, sentences: Sequence[str]) -> Iterator[str]:
        """Whole sentences, as many as the model can read at once."""
        room = self._max_input - self._num_tokens(self._prefix) - self._tokenizer.num_special_tokens_to_add()
        window: list[str] = []
        used = 0
        for sentence in sentences:
            length = self._num_tokens(sentence) + 1  # the space before it may be a token
            if window and used + length > room:
                yield " ".join(window)
                window, used = [], 0
            window.append(sentence)
            used += length
        if window:
            yield " ".join(window)

    def _num_tokens(self, text: str) -> int:
        return len(self._tokenizer(text, add_special_tokens=False)["input_ids"]) if text else 0

    def _generate(self, text: str, max_tokens: int) -> str:
        try:
            inputs = self._tokenizer(
                self._prefix + text, return_tensors="pt", truncation=True, max_length=self._max_input
            )
            with self._torch.inference_mode():
                tokens = self._model.generate(
                    input_ids=inputs["input_ids"].to(self._device),
                    attention_mask=inputs["attention_mask"].to(self._device),
                    max_new_tokens=max_tokens,
                    min_length=0,
                    num_beams=self._num_beams,
                    do_sample=False,
                )
        except (RuntimeError, IndexError, MemoryError) as error:
            raise EngineError(
                f"the model {self.name} failed: {_first_line(error)}", fix="use a smaller model"
            ) from error
        text = self._tokenizer.decode(tokens[0], skip_special_tokens=True)
        return " ".join(str(text).split())


def _sentences(source: Transcript | Sequence[Segment] | str) -> list[str]:
    if isinstance(source, str):
        return split_text(source)
    segments = source.segments if isinstance(source, Transcript) else source
    return [sentence.text for sentence in split_segments(segments)]


def _checked_config(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise ModelError(f"there is no model folder {folder}", fix="name a checkpoint of transformers")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{folder} has no readable config.json", fix="copy the whole folder of the model"
        ) from error
    if not isinstance(config, dict) or not config.get("is_encoder_decoder"):
        raise ModelError(
            f"{folder} is no sequence-to-sequence model", fix="name one of BART, T5, PEGASUS or their kin"
        )
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"{folder} holds no safetensors; other weights are pickles, which can run any code",
            fix="save it with save_pretrained(FOLDER, safe_serialization=True) where you trust it",
        )
    return config


def _load(folder: Path) -> tuple[Any, Any]:
    transformers = require("transformers", extra=_EXTRA, purpose=_PURPOSE)
    safely = {"local_files_only": True, "trust_remote_code": False}
    try:
        with _quiet(transformers.utils.logging):
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **safely)
            model, report = transformers.AutoModelForSeq2SeqLM.from_pretrained(
                folder, use_safetensors=True, output_loading_info=True, **safely
            )
    except Exception as error:  # hostile folders raise whatever the library happens to meet
        raise ModelError(
            f"the model {folder} cannot be loaded: {_first_line(error)}", fix="copy the whole folder again"
        ) from error
    if missing := sorted(report["missing_keys"]):
        raise ModelError(
            f"the model {folder} lacks the weights {missing[0]} and so on", fix="copy the whole folder again"
        )
    return tokenizer, model.eval()


def _prefix(config: dict[str, Any]) -> str:
    """What the model was trained to see before a text to summarize."""
    tasks = config.get("task_specific_params")
    task = tasks.get("summarization") if isinstance(tasks, dict) else None
    if isinstance(task, dict) and isinstance(task.get("prefix"), str):
        return str(task["prefix"])
    return "summarize: " if config.get("model_type") == "t5" else ""


def _max_input(config: dict[str, Any], tokenizer: Any) -> int:
    limits = [config.get(key) for key in ("max_position_embeddings", "n_positions")]
    limits.append(tokenizer.model_max_length)  # an enormous number where it is not set
    return min([_MAX_INPUT, *(limit for limit in limits if isinstance(limit, int) and limit > 0)])


@contextlib.contextmanager
def _quiet(logging: Any) -> Iterator[None]:
    """A library does not print; transformers does."""
    verbosity, has_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if has_bars:
            logging.enable_progress_bar()


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
