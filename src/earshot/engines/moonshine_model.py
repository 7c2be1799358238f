"""The Moonshine network on onnxruntime: tokenizer, encoder, greedy decoder with key/value cache.

Jeffries et al. 2024, "Moonshine: Speech Recognition for Live Transcription and Voice Commands",
arXiv:2410.15608. A convolutional stem turns samples into one frame per 384 samples (24 ms); an encoder and
an autoregressive decoder follow. There is no fixed window: cost grows with the length of the audio.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earshot.core.errors import ModelError
from earshot.core.runtime import load_onnx, num_cores
from earshot.core.types import SAMPLE_RATE, Samples

START, END = 1, 2
FIRST_TEXT_TOKEN = 3
TOKENS_PER_SECOND = 6.5
"""The most that English speech needs; a decoder that runs on past it is looping (Moonshine's own limit)."""
MIN_SAMPLES = 2_048
"""The convolutional stem gives no frame below 895 samples; shorter audio is padded with silence."""

Frames = npt.NDArray[np.float32]
_REINSTALL = "install the model again"
_SPACES = re.compile(rb"(\s+)")


class Tokenizer:
    """Byte strings by id, read from ``tokenizer.bin``; ``▁`` stands for a space.

    The file is a list of length-prefixed strings: one length byte, two when the first is 128 or more.
    """

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        self.pieces: list[bytes] = []
        position = 0
        while position < len(data):
            length = data[position]
            position += 1
            if length >= 128:
                if position >= len(data):
                    break
                length = length - 128 + 128 * data[position]
                position += 1
            self.pieces.append(data[position : position + length])
            position += length
        if len(self.pieces) <= FIRST_TEXT_TOKEN or position != len(data):
            raise ModelError(f"{path} is damaged", fix="install the model again")

    def words(self, tokens: Sequence[int]) -> list[tuple[str, list[int]]]:
        """The words of a token sequence, each with the positions of the tokens that spell it.

        Control tokens spell nothing. A token that spells parts of two words counts for both.
        """
        spelled: list[tuple[bytearray, list[int]]] = []
        is_inside = False
        for position, token in enumerate(tokens):
            piece = self.pieces[token] if FIRST_TEXT_TOKEN <= token < len(self.pieces) else b""
            if piece.startswith(b"<<ST_"):
                continue
            for part in _SPACES.split(piece.replace("▁".encode(), b" ")):
                if part.isspace():
                    is_inside = False
                elif part:
                    if not is_inside:
                        spelled.append((bytearray(), []))
                    is_inside = True
                    spelled[-1][0].extend(part)
                    if position not in spelled[-1][1]:
                        spelled[-1][1].append(position)
        words = ((text.decode("utf-8", errors="ignore"), positions) for text, positions in spelled)
        return [(text, positions) for text, positions in words if text]


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """Tokens without start and end, and the natural log-probability of each; is_complete: it ended by itself.

    end_log_prob: of the end token, None when the decoder was stopped.
    """

    tokens: tuple[int, ...]
    log_probs: tuple[float, ...]
    is_complete: bool
    end_log_prob: float | None = None


def log_softmax_at(logits: Frames, tokens: npt.NDArray[np.int64]) -> Frames:
    """Log-probability of one token a row. logits: (rows, vocabulary); tokens: (rows,)."""
    peak = logits.max(axis=-1, keepdims=True)
    total = np.exp(logits - peak).sum(axis=-1)
    chosen: Frames = logits[np.arange(len(tokens)), tokens] - peak[:, 0] - np.log(total)
    return chosen


class MoonshineEncoder:
    """The encoder alone, for whoever wants frames and no text; safe to use from several threads.

    Raises ModelError when ``folder`` holds no Moonshine encoder.
    """

    def __init__(self, folder: Path) -> None:
        self._session = load_onnx(_find(folder, "encoder_model", (".ort", ".onnx")), fix=_REINSTALL)
        self._has_mask = "attention_mask" in {i.name for i in self._session.get_inputs()}

    def encode(self, samples: Samples) -> Frames:
        """Frames (1, n, width), one per 384 samples. samples: 16 kHz.

        One clip at a time: the stem normalises over the whole clip, so padding would change the frames.
        """
        if len(samples) < MIN_SAMPLES:
            samples = np.pad(samples, (0, MIN_SAMPLES - len(samples)))
        feeds: dict[str, Any] = {"input_values": samples[None]}
        if self._has_mask:
            feeds["attention_mask"] = np.ones((1, len(samples)), np.int64)
        frames: Frames = self._session.run(None, feeds)[0]
        return frames


class MoonshineModel:
    """Weights of one Moonshine model; safe to use from several threads.

    Sessions run single-threaded and ``num_threads`` workers run them side by side: two clips on two cores
    are decoded 1.9 times as fast as one clip by two threads, whose steps are too small to share.
    Raises ModelError when files are missing or are no Moonshine model.
    """

    def __init__(self, folder: Path, *, num_threads: int | None = None) -> None:
        self.folder = folder
        self.tokenizer = Tokenizer(_find(folder, "tokenizer", (".bin",)))
        self._encoder = MoonshineEncoder(folder)
        self._decoder = load_onnx(_find(folder, "decoder_model_merged", (".ort", ".onnx")), fix=_REINSTALL)
        inputs = {i.name: i for i in self._decoder.get_inputs()}
        self._decoder_inputs = frozenset(inputs)
        past = [name for name in inputs if name.startswith("past_key_values.")]
        if not past or "use_cache_branch" not in inputs:
            raise ModelError(
                f"{folder} holds no merged Moonshine decoder",
                fix="install a Moonshine model with a merged decoder",
            )
        _, self._num_heads, _, self._head_size = inputs[past[0]].shape
        self._past = past
        self._outputs = [output.name for output in self._decoder.get_outputs()]
        self._step_outputs = ["logits", *(name for name in self._outputs if ".decoder." in name)]
        vocabulary = self._decoder.get_outputs()[0].shape[-1]
        if isinstance(vocabulary, int) and vocabulary != len(self.tokenizer.pieces):
            raise ModelError(
                f"{folder}: the tokenizer has {len(self.tokenizer.pieces)} tokens and the decoder {vocabulary}",
                fix="install the model again",
            )
        self.begins_word = np.array(
            [piece.startswith("▁".encode()) for piece in self.tokenizer.pieces], np.bool_
        )
        self.begins_word[END] = True
        self.num_threads = num_threads or num_cores()
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    @property
    def pool(self) -> ThreadPoolExecutor:
        """The workers; started at the first use."""
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.num_threads, thread_name_prefix="moonshine")
            return self._pool

    def close(self) -> None:
        """Stop the workers."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()

    def encode(self, samples: Samples) -> Frames:
        """See ``MoonshineEncoder``."""
        return self._encoder.encode(samples)

    def decode(self, encoded: Sequence[Frames]) -> list[Hypothesis]:
        """Greedy decoding of several clips together. encoded: what ``encode`` gave.

        The weights are 8-bit and the activations are quantised over the whole batch, so about one clip in
        ten differs in a word or comma from the same clip alone; the error rate stays the same.
        """
        if not encoded:
            return []
        batch = _Batch(self, encoded)
        while not batch.is_done:
            batch.step()
        return batch.hypotheses()

    def decode_draft(self, frames: Frames, draft: Sequence[int], num_forced: int = 0) -> Hypothesis:
        """Greedy decoding of one clip with a guess of its tokens.

        The first ``num_forced`` tokens of the draft are kept whatever the audio says. The others are checked
        in one pass, and as far as greedy decoding would have chosen them they cost no steps of their own
        (Stern et al. 2018, "Blockwise parallel decoding"): for a growing utterance that is nearly all.
        """
        batch = _Batch(self, [frames])
        batch.follow(draft, num_forced)
        while not batch.is_done:
            batch.step()
        return batch.hypotheses()[0]

    def first_feeds(self, encoded: Sequence[Frames]) -> dict[str, Any]:
        """Inputs of the first decoding step for a padded batch."""
        num_frames = [frames.shape[1] for frames in encoded]
        hidden = np.zeros((len(encoded), max(num_frames), encoded[0].shape[2]), np.float32)
        # The mask counts samples: the graph itself brings it down to frames. A frame sees 895 samples, and
        # each further one adds 384.
        mask = np.zeros((len(encoded), _samples_of(max(num_frames))), np.int64)
        for row, frames in enumerate(encoded):
            hidden[row, : frames.shape[1]] = frames[0]
            mask[row, : _samples_of(frames.shape[1])] = 1
        empty = np.zeros((len(encoded), self._num_heads, 0, self._head_size), np.float32)
        feeds: dict[str, Any] = {"encoder_hidden_states": hidden, **dict.fromkeys(self._past, empty)}
        if "encoder_attention_mask" in self._decoder_inputs:
            feeds["encoder_attention_mask"] = mask
        return feeds

    def run_decoder(
        self, feeds: dict[str, Any], tokens: npt.NDArray[np.int64], *, is_first: bool
    ) -> tuple[Frames, dict[str, Any]]:
        """One step. tokens: (batch, n). Returns logits (batch, n, vocabulary) and the new cache entries."""
        wanted = self._outputs if is_first else self._step_outputs
        outputs = self._decoder.run(
            wanted, {**feeds, "input_ids": tokens, "use_cache_branch": np.array([not is_first])}
        )
        cache = {
            name.replace("present", "past_key_values"): value
            for name, value in zip(wanted[1:], outputs[1:], strict=True)
        }
        return outputs[0], cache


class _Batch:
    """Greedy decoding of one batch, step by step; rows that ended leave the batch when half have."""

    def __init__(self, model: MoonshineModel, encoded: Sequence[Frames]) -> None:
        self._model = model
        self._feeds = model.first_feeds(encoded)
        num_samples = [_samples_of(frames.shape[1]) for frames in encoded]
        self._limits = [math.ceil(n / SAMPLE_RATE * TOKENS_PER_SECOND) + 2 for n in num_samples]
        self._tokens: list[list[int]] = [[] for _ in encoded]
        self._log_probs: list[list[float]] = [[] for _ in encoded]
        self._end: list[float | None] = [None] * len(encoded)
        self._rows = list(range(len(encoded)))
        self._is_open = [True] * len(encoded)
        self._is_first = True

    @property
    def is_done(self) -> bool:
        return not any(self._is_open)

    def follow(self, draft: Sequence[int], num_forced: int) -> None:
        """The first step of a batch of one: all of the draft that greedy decoding agrees with."""
        draft = list(draft[: self._limits[0] - 1])
        prompt = np.array([START, *draft], np.int64)
        logits, cache = self._model.run_decoder(self._feeds, prompt[None], is_first=True)
        best = logits[0].argmax(axis=-1)
        num_right = min(num_forced, len(draft))
        best[:num_right] = draft[:num_right]
        if num_right:  # what follows must not prolong the last word that is kept, not even by a comma
            best[num_right] = np.where(self._model.begins_word, logits[0, num_right], -np.inf).argmax()
        while num_right < len(draft) and best[num_right] == draft[num_right]:
            num_right += 1
        self._feeds.update(cache)
        for name in cache:
            if ".decoder." in name:
                self._feeds[name] = np.ascontiguousarray(cache[name][:, :, : num_right + 1])
        self._is_first = False
        for position in range(num_right + 1):
            self._take(logits[:, position], best[position : position + 1])

    def step(self) -> None:
        """Decode one token a row."""
        last = [self._tokens[row][-1] if self._tokens[row] else START for row in self._rows]
        tokens = np.array(last, np.int64)[:, None]
        logits, cache = self._model.run_decoder(self._feeds, tokens, is_first=self._is_first)
        self._feeds.update(cache)
        self._is_first = False
        self._take(logits[:, -1], logits[:, -1].argmax(axis=-1))
        self._compact()

    def _take(self, logits: Frames, best: npt.NDArray[np.int64]) -> None:
        """Append a token to each open row. logits: (rows, vocabulary); best: (rows,)."""
        log_probs = log_softmax_at(logits, best)
        for index, row in enumerate(self._rows):
            if not self._is_open[row]:
                continue
            if best[index] == END:
                self._end[row] = float(log_probs[index])
                self._is_open[row] = False
                continue
            self._tokens[row].append(int(best[index]))
            self._log_probs[row].append(float(log_probs[index]))
            if len(self._tokens[row]) >= self._limits[row] or is_looping(self._tokens[row]):
                self._is_open[row] = False

    def _compact(self) -> None:
        """Drop finished rows once they are half of the batch: each costs as much as a live one."""
        keep = [index for index, row in enumerate(self._rows) if self._is_open[row]]
        if not keep or len(keep) > len(self._rows) // 2:
            return
        self._rows = [self._rows[index] for index in keep]
        for name, value in self._feeds.items():
            self._feeds[name] = np.ascontiguousarray(value[keep])

    def hypotheses(self) -> list[Hypothesis]:
        """What each row came to."""
        return [
            Hypothesis(tuple(tokens), tuple(log_probs), end is not None, end)
            for tokens, log_probs, end in zip(self._tokens, self._log_probs, self._end, strict=True)
        ]


def is_looping(tokens: Sequence[int], *, max_period: int = 12, num_repeats: int = 4) -> bool:
    """Whether the tail repeats itself: a period of up to 12 tokens, four times over.

    People do say "no no no"; single tokens therefore need eight repetitions.
    """
    for period in range(1, max_period + 1):
        repeats = num_repeats * 2 if period == 1 else num_repeats
        span = period * repeats
        if len(tokens) >= span and all(tokens[-i] == tokens[-i - period] for i in range(1, span - period + 1)):
            return True
    return False


def _samples_of(num_frames: int) -> int:
    """The fewest samples that the stem (kernels 127, 7, 3; strides 64, 3, 2) turns into so many frames."""
    return (((num_frames - 1) * 2 + 3 - 1) * 3 + 7 - 1) * 64 + 127


def _find(folder: Path, stem: str, suffixes: Sequence[str]) -> Path:
    for suffix in suffixes:
        path = folder / (stem + suffix)
        if path.is_file():
            return path
    names = " or ".join(stem + suffix for suffix in suffixes)
    raise ModelError(f"{folder} is no Moonshine model: it has no {names}", fix="name another folder or model")
