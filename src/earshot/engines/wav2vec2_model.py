"""A CTC checkpoint of ``transformers``: checked before it is loaded, and run window by window.

A model is a folder as ``save_pretrained`` writes it. The network is never touched, and no code that a folder
brings is run: weights are safetensors, or a torch file of which tensors alone are read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from earshot.core.errors import EngineError, ModelError, UnknownModelError
from earshot.core.optional import require
from earshot.core.types import SAMPLE_RATE, Samples
from earshot.decoding.ctc import LogProbs, log_softmax
from earshot.engines.folder import first_line, read_json

_FAMILIES = frozenset(
    {
        "data2vec-audio",
        "hubert",
        "sew",
        "sew-d",
        "unispeech",
        "unispeech-sat",
        "wav2vec2",
        "wav2vec2-bert",
        "wav2vec2-conformer",
        "wavlm",
    }
)
"""``model_type`` of the checkpoints that hear 16 kHz sound and tell their frame shift in samples."""


class CtcNet:
    """The checkpoint itself. symbols: what each token writes; frame_shift: samples from frame to frame."""

    def __init__(self, folder: Path, *, num_threads: int | None, device: str) -> None:
        config = _checked_config(folder)
        settings = read_json(folder / "tokenizer_config.json", default={})
        self.delimiter = str(settings.get("word_delimiter_token") or "|")
        self._torch = require("torch", extra="wav2vec2", purpose="the wav2vec2 engine")
        self._num_threads = num_threads
        with _quiet():
            self._extractor, self._model = _load_checkpoint(folder)
        if self._extractor.sampling_rate != SAMPLE_RATE:
            raise ModelError(
                f"the model {folder} hears {self._extractor.sampling_rate} Hz",
                fix="choose one for 16000 Hz",
            )
        self._hears_sound = self._extractor.model_input_names[0] == "input_values"
        self.blank, self.symbols = _vocabulary(folder, config, settings, self.delimiter)
        self.frame_shift = _frame_shift(self._model.config)
        self._fewest = _fewest_samples(config, self.frame_shift)
        try:
            self._device = self._torch.device(device)
            self._model = self._model.to(self._device).eval()
        except (RuntimeError, AssertionError) as error:  # torch asserts that it was built with CUDA
            raise EngineError(
                f"torch cannot use the device {device!r}: {first_line(error)}", fix="leave --device out"
            ) from error

    def normalised(self, samples: Samples) -> Samples:
        """Zero mean and unit variance over the whole recording, where the checkpoint wants it.

        Over the whole, not window by window, so that a window with little speech is not turned up.
        """
        if not self._hears_sound or not self._extractor.do_normalize or not len(samples):
            return samples
        mean, variance = samples.mean(dtype=np.float64), samples.var(dtype=np.float64)
        normalised: Samples = ((samples - mean) / math.sqrt(variance + 1e-7)).astype(np.float32)
        return normalised

    def log_probs(self, samples: Samples) -> LogProbs:
        """(frames, tokens) of one window."""
        if len(samples) < self._fewest:
            return np.zeros((0, len(self.symbols)), np.float32)
        torch = self._torch
        if self._hears_sound:
            inputs = {"input_values": torch.from_numpy(np.ascontiguousarray(samples)[None])}
        else:
            inputs = dict(self._extractor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt"))
        with _threads(torch, self._num_threads), torch.inference_mode():
            placed = {key: value.to(self._device) for key, value in inputs.items()}
            logits: LogProbs = self._model(**placed).logits[0].float().cpu().numpy()
        if not np.isfinite(logits).all():
            raise EngineError(
                "the net gives no numbers for this audio", fix="check the model's weights and the recording"
            )
        return log_softmax(logits)


def _checked_config(folder: Path) -> dict[str, Any]:
    """``config.json`` of a folder that holds all files of a CTC model of ours."""
    if not folder.is_dir():
        raise UnknownModelError(f"there is no model folder {folder}", fix="see: earshot models list")
    config = read_json(folder / "config.json")
    architectures = config.get("architectures")
    names = [str(name) for name in architectures] if isinstance(architectures, list) else []
    family = config.get("model_type")
    if family not in _FAMILIES or (names and not any(name.endswith("ForCTC") for name in names)):
        what = ", ".join(names) or f"a model of type {family!r}"
        raise ModelError(
            f"{folder} holds {what}, no CTC model of the wav2vec 2.0 kind",
            fix="for Whisper convert it with ct2-transformers-converter and use --engine whisper"
            if family == "whisper"
            else "choose a checkpoint whose config.json names a …ForCTC architecture",
        )
    missing = [name for name in ("vocab.json", "preprocessor_config.json") if not (folder / name).is_file()]
    if not _weights(folder):
        missing.append("model.safetensors")
    if missing:
        raise ModelError(f"the model {folder} lacks {', '.join(missing)}", fix="copy the whole folder again")
    return config


def _weights(folder: Path) -> str | None:
    """The file with the weights, safetensors first."""
    names = (
        "model.safetensors",
        "model.safetensors.index.json",
        "pytorch_model.bin",
        "pytorch_model.bin.index.json",
    )
    return next((name for name in names if (folder / name).is_file()), None)


def _load_checkpoint(folder: Path) -> tuple[Any, Any]:
    """Feature extractor and model. Weights come from safetensors, or from a checkpoint of tensors alone."""
    transformers = require("transformers", extra="wav2vec2", purpose="the wav2vec2 engine")
    try:
        extractor = transformers.AutoFeatureExtractor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        model, report = transformers.AutoModelForCTC.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors="safetensors" in (_weights(folder) or ""),
            weights_only=True,  # tensors, no objects: a pickle could run any code
            output_loading_info=True,
        )
    except Exception as error:  # hostile folders raise whatever the library happens to meet
        raise ModelError(
            f"the model {folder} cannot be loaded: {first_line(error)}", fix="copy the whole folder again"
        ) from error
    # The mask of training may lack; anything else would be random numbers.
    missing = sorted(key for key in report["missing_keys"] if not key.endswith("masked_spec_embed"))
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ModelError(
            f"the weights of {folder} lack {missing[0]}{more}",
            fix="choose a checkpoint that was fine-tuned for recognition, not only pre-trained",
        )
    return extractor, model


def _vocabulary(
    folder: Path, config: dict[str, Any], settings: dict[str, Any], delimiter: str
) -> tuple[int, tuple[str, ...]]:
    """The blank, and what each token writes: nothing for special tokens, small letters for capitals only."""
    vocabulary = read_json(folder / "vocab.json")
    if any(isinstance(value, dict) for value in vocabulary.values()):
        raise ModelError(
            f"{folder} is a model of many languages with a vocabulary for each",
            fix="save one of its languages as a model of its own with transformers",
        )
    vocabulary |= read_json(folder / "added_tokens.json", default={})
    size = config.get("vocab_size", 32)  # the default of transformers, which config.json leaves out
    blank = config.get("pad_token_id", 0)
    ids = list(vocabulary.values())
    if not isinstance(size, int) or not all(type(index) is int and index >= 0 for index in ids):
        raise ModelError(f"{folder / 'vocab.json'} is broken: tokens are numbered from 0")
    if not isinstance(blank, int) or not 0 <= blank < size:
        raise ModelError(f"{folder / 'config.json'} is broken: the blank (pad_token_id) is {blank!r}")
    special = {str(settings[key]) for key in settings if key.endswith("_token") and settings[key] != delimiter}
    symbols = [""] * size
    for symbol, index in vocabulary.items():
        is_special = symbol in special or re.fullmatch(r"<[^<>]+>|\[[^\[\]]+\]", symbol)
        if index < size and index != blank and not is_special:
            symbols[index] = symbol
    if not any(symbols):
        raise ModelError(f"{folder / 'vocab.json'} names no letters", fix="copy the whole folder again")
    letters = "".join(symbol for symbol in symbols if symbol != delimiter)
    if letters.upper() == letters != letters.lower():
        symbols = [symbol if symbol == delimiter else symbol.lower() for symbol in symbols]
    return blank, tuple(symbols)


def _frame_shift(config: Any) -> int:
    """Samples from frame to frame."""
    shift = int(config.inputs_to_logits_ratio)
    if getattr(config, "add_adapter", False) and config.model_type != "wav2vec2-bert":  # it counts them in
        shift *= config.adapter_stride**config.num_adapter_layers
    return shift


def _fewest_samples(config: dict[str, Any], frame_shift: int) -> int:
    """Samples that make the first frame: the receptive field of the convolutions."""
    kernels, strides = config.get("conv_kernel"), config.get("conv_stride")
    if not isinstance(kernels, list) or not isinstance(strides, list):
        return max(640, 2 * frame_shift)  # two windows of 25 ms for nets that hear filter banks
    field, shift = 1, 1
    for kernel, stride in zip(kernels, strides, strict=False):
        field, shift = field + (kernel - 1) * shift, shift * stride
    return max(field, frame_shift)


@contextmanager
def _threads(torch: Any, num_threads: int | None) -> Iterator[None]:
    """Torch knows one number of threads for all its users: ours holds while we compute."""
    if num_threads is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Neither warnings nor progress bars of transformers; afterwards all is as it was."""
    logging = require("transformers", extra="wav2vec2", purpose="the wav2vec2 engine").utils.logging
    verbosity, has_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if has_bars:
            logging.enable_progress_bar()
