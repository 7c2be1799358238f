"""wav2vec 2.0 and its kin through ``transformers``: any checkpoint that ends in CTC letters.

Baevski et al. 2020, "wav2vec 2.0: a framework for self-supervised learning of speech representations", NeurIPS;
HuBERT, WavLM, Data2Vec, SEW, UniSpeech, wav2vec2-conformer and wav2vec2-BERT load the same way. Checkpoints
that are already in the model hub's cache are found by their name; the network is never touched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from earshot.audio.cutting import CutOptions
from earshot.audio.resample import resample
from earshot.core.errors import EngineError, UnsupportedError
from earshot.core.optional import require
from earshot.core.types import SAMPLE_RATE, Audio, Capabilities, Grammar, Segment, Transcript
from earshot.decoding.constraint import TokenConstraint, Vocabulary
from earshot.decoding.ctc import LogProbs
from earshot.decoding.ctc_beam import search_ctc
from earshot.decoding.ctc_decoder import CtcDecoder
from earshot.decoding.ngram_files import read_ngrams
from earshot.decoding.ngram_model import NgramModel
from earshot.engines.base import Engine, EngineOptions, check_request
from earshot.engines.constrained import Searched
from earshot.engines.offline import OfflineRecognizer
from earshot.engines.wav2vec2_model import CtcNet

_WINDOW = 20.0
"""Seconds that the net hears at once. Attention grows with the square of it, and most checkpoints were tuned on
utterances of less."""

_OVERLAP = 4.0
"""Seconds that two windows share: each frame has 2 s or more around it, unless the recording begins or ends."""


class Wav2Vec2Recognizer(OfflineRecognizer):
    """One CTC checkpoint; safe to call from several threads at once.

    folder: holds config.json, vocab.json, preprocessor_config.json and the weights. name: how it calls itself.
    language: what is spoken; must be one of the model's where the model names them. num_threads: of torch,
    while it recognizes; None leaves torch as it is. device: "cpu", "cuda", "cuda:1", "mps" ….
    language_model: what is likely to be said, in words or letters; None decodes greedily, or for hot words.
    window, overlap: seconds; longer stretches are heard in windows whose log-probabilities are joined in the
    middle of their overlap.

    Vocabularies of capitals only (LibriSpeech's) give text in small letters; others give what they hold.
    Raises ModelError when a file is missing or broken, or the model is of another kind.
    """

    cut_options = CutOptions(target_duration=15.0)

    def __init__(
        self,
        folder: Path,
        *,
        name: str | None = None,
        language: str | None = None,
        num_threads: int | None = None,
        device: str = "cpu",
        language_model: NgramModel | None = None,
        window: float = _WINDOW,
        overlap: float = _OVERLAP,
    ) -> None:
        if not 0 <= overlap < window:
            raise ValueError(f"windows of {window} s cannot overlap by {overlap} s")
        self.name = f"wav2vec2/{name or folder.name}"
        languages = _stated_languages(folder)
        if language and languages and language not in languages:
            raise UnsupportedError(
                f"{self.name} knows {', '.join(sorted(languages))}, not {language}",
                fix="leave --language out, or choose another model",
            )
        self._language = language or (min(languages) if len(languages) == 1 else None)
        self._net: CtcNet | None = CtcNet(folder, num_threads=num_threads, device=device)
        self._decoder = CtcDecoder(
            self._net.symbols,
            self._net.blank,
            frame_shift=self._net.frame_shift,
            delimiter=self._net.delimiter,
            model=language_model,
        )
        self.capabilities = Capabilities(
            word_times=True,
            confidences=True,
            hot_words=self._decoder.takes_hot_words,
            languages=languages,
            max_duration=window,
        )
        self._vocabulary: Vocabulary | None = None
        shift = self._net.frame_shift
        self._window = max(1, round(window * SAMPLE_RATE / shift)) * shift
        step = min(round((window - overlap) * SAMPLE_RATE), self._window - 2 * shift)  # windows meet
        self._step = max(1, step // shift) * shift

    def transcribe_batch(
        self, audios: Sequence[Audio], *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()
    ) -> list[Transcript]:
        """One after the other; stretches longer than the window are no error.

        Nothing is padded to equal length: checkpoints with group normalization hear padding, and on two cores
        four clips of a second took 2.13 s in a batch and 2.11 s one by one.
        """
        check_request(self.name, self.capabilities, grammar, hot_words)
        return [self._transcript(audio, hot_words) for audio in audios]

    @property
    def vocabulary(self) -> Vocabulary:
        """The net's letters by how they are spelled, for constraints."""
        net = self._open_net()
        if self._vocabulary is None:
            pieces = [" " if symbol == net.delimiter else symbol for symbol in net.symbols]
            self._vocabulary = Vocabulary(pieces)
        return self._vocabulary

    def search(self, audios: Sequence[Audio], constraint: TokenConstraint, *, width: int = 4) -> list[Searched]:
        """See ``ConstrainedRecognizer``. Letters need twice the hypotheses that pieces of words need."""
        net = self._open_net()
        delimiter = net.symbols.index(net.delimiter) if net.delimiter in net.symbols else None
        results: list[Searched] = []
        for audio in audios:
            if not audio.samples.any():
                results.append(Searched((), "", "", 0.0, is_heard=False))
                continue
            log_probs = self.log_probs(audio)
            found = search_ctc(log_probs, net.blank, constraint, width=2 * width, delimiter=delimiter)
            written = found[0].text.strip() if found else ""
            free = float(log_probs.max(axis=-1).sum())
            text = self._transcript(audio).text
            results.append(Searched(tuple(found), written, text, free, is_heard=bool(text)))
        return results

    def log_probs(self, audio: Audio) -> LogProbs:
        """Log-probabilities (frames, tokens) of a recording of any length, for decoders and aligners.

        No frames where the recording is shorter than the net's first frame.
        """
        net = self._open_net()
        samples = net.normalised(resample(audio, SAMPLE_RATE).samples)
        starts = _window_starts(len(samples), self._window, self._step)
        pieces = [net.log_probs(samples[start : start + self._window]) for start in starts]
        return _stitched(pieces, [start // net.frame_shift for start in starts])

    def close(self) -> None:
        """Release the weights."""
        self._net = None

    def _open_net(self) -> CtcNet:
        if self._net is None:
            raise EngineError(f"{self.name} is closed", fix="load it again")
        return self._net

    def _transcript(self, audio: Audio, hot_words: Sequence[str] = ()) -> Transcript:
        self._open_net()
        if not audio.samples.any():  # digital silence has no variance to normalise by
            return Transcript((), self._language, audio.duration, self.name)
        words = self._decoder.words(self.log_probs(audio), hot_words=hot_words)
        segments: tuple[Segment, ...] = ()
        if words:
            text = " ".join(word.text for word in words)
            start, end = words[0].start or 0.0, words[-1].end or audio.duration
            segments = (Segment(text, start, end, words, language=self._language),)
        return Transcript(segments, self._language, audio.duration, self.name)


def _window_starts(num_samples: int, window: int, step: int) -> list[int]:
    """First samples of windows that cover everything; what exceeds them by less than an overlap adds none."""
    return [0, *range(step, num_samples - (window - step), step)]


def _stitched(pieces: Sequence[LogProbs], starts: Sequence[int]) -> LogProbs:
    """One matrix of overlapping pieces. starts: the first frame of each."""
    edges = [0]
    for start, before_start, before in zip(starts[1:], starts, pieces, strict=False):
        edges.append((start + before_start + len(before)) // 2)
    edges.append(starts[-1] + len(pieces[-1]))
    return np.concatenate(
        [
            piece[first - start : last - start]
            for piece, start, first, last in zip(pieces, starts, edges, edges[1:], strict=False)
        ]
    )


def _stated_languages(folder: Path) -> frozenset[str]:
    """ISO 639-1 codes from the folder's card, else from the head of its README; empty where neither tells."""
    if (folder / "card.json").is_file():
        from earshot.models.card import read_card

        if stated := read_card(folder).languages:
            return frozenset(stated)
    try:
        with (folder / "README.md").open(encoding="utf-8", errors="replace") as file:
            head = file.read(10_000)
    except OSError:
        return frozenset()
    front = re.match(r"---\s*\n(.*?)\n---", head, re.DOTALL)
    stated_line = front and re.search(
        r"^language:[ \t]*(\S.*)?((?:\n[ \t]*-[ \t]*\S+)*)", front[1], re.MULTILINE
    )
    if not stated_line:
        return frozenset()
    codes = re.findall(r"[A-Za-z]{2,3}(?:-[A-Za-z]+)?", f"{stated_line[1] or ''} {stated_line[2] or ''}")
    return frozenset(code.split("-")[0].lower() for code in codes)


def _cached_checkpoint(name: str) -> Path | None:
    """The folder of a checkpoint that a download by other programs left in the cache of the model hub."""
    hub = require("huggingface_hub", extra="wav2vec2", purpose="the wav2vec2 engine")
    try:
        return Path(hub.snapshot_download(name, local_files_only=True))
    except (OSError, ValueError):
        return None


def _load(options: EngineOptions) -> Wav2Vec2Recognizer:
    from earshot.engines.folder import model_folder, own_folder

    model = options.model or ""
    folder = own_folder(model)
    if folder is None and re.fullmatch(r"[\w.-]+/[\w.-]+", model):
        folder = _cached_checkpoint(model)
    if folder is None:
        folder = model_folder(options.model, engine="wav2vec2")
    return Wav2Vec2Recognizer(
        folder,
        name=model.rsplit("/", 1)[-1] if folder.parent.name == "snapshots" else None,
        language=options.language,
        num_threads=options.num_threads,
        device=options.device,
        language_model=read_ngrams(options.language_model) if options.language_model else None,
    )


ENGINE = Engine(
    "wav2vec2",
    "any CTC checkpoint of transformers, with word times and confidences",
    _load,
    extra="wav2vec2",
    modules=("torch", "transformers"),
    takes_language_model=True,
)
