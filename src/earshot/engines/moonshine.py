"""Moonshine on onnxruntime: the default engine, English, weights inside an installed wheel (MIT).

Jeffries et al. 2024, arXiv:2410.15608. Running the network ourselves gives what the wheel's own library does
not: batches, a confidence for every word, drafts that make live decoding cheap, and no text where nobody spoke.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from earshot.audio.cutting import CutOptions
from earshot.audio.vad import FRAME
from earshot.core.errors import EngineError, ModelError
from earshot.core.types import SAMPLE_RATE, Audio, Capabilities, Grammar, Samples, Segment, Transcript, Word
from earshot.decoding.beam import Found
from earshot.decoding.constraint import TokenConstraint, Vocabulary
from earshot.engines.base import Engine, EngineOptions, check_request
from earshot.engines.constrained import Searched
from earshot.engines.endpointing import EndpointPredictor
from earshot.engines.moonshine_model import FIRST_TEXT_TOKEN, Frames, Hypothesis, MoonshineModel
from earshot.engines.moonshine_search import new_beam, new_greedy, search
from earshot.engines.offline import OfflineRecognizer
from earshot.engines.plausibility import (
    ACCEPTED,
    DOUBTFUL,
    LONG_SPEECH,
    SpeechEvidence,
    changed_copies,
    is_hopeless,
)

_MAX_FRAMES_IN_BATCH = 6_000
"""Padded frames (24 ms each) decoded together; beyond that the key/value cache leaves the processor's cache."""

_MAX_CLIPS_IN_BATCH = 24

_LONG_CLIP = 6 * SAMPLE_RATE
"""Longer clips hold too much speech, by the detector's word, to be noise."""

_HUSH = 8
"""Frames (0.26 s) of silence put behind an open utterance: the decoder wants to hear that a word is over, and
the stream decodes before so much silence has come. Errors of clips cut so short: 4.3 % without, 3.9 % with."""

_DOUBT = 6.0
"""Nats between free and held recognition from which on the held search is done again and wider: in noise
the right word may be the tenth to begin with."""

_WIDER = 4

_NOTHING = Hypothesis((), (), is_complete=True)


class MoonshineRecognizer(OfflineRecognizer):
    """One set of Moonshine weights; safe to call from several threads at once.

    model: a folder with ``encoder_model``, ``decoder_model_merged`` (.ort or .onnx) and ``tokenizer.bin``.
    """

    cut_options = CutOptions(join_gap=1.0, target_duration=16.0)

    def __init__(self, folder: Path, *, name: str = "tiny-en", num_threads: int | None = None) -> None:
        self.name = f"moonshine/{name}"
        self.capabilities = Capabilities(confidences=True, languages=frozenset({"en"}), max_duration=24.0)
        self._model = MoonshineModel(folder, num_threads=num_threads)
        self._vocabulary: Vocabulary | None = None
        # It was trained on the frames of tiny-en and judges no other model's.
        self.endpoint_predictor = EndpointPredictor() if folder == embedded_folder() else None

    def transcribe_batch(
        self, audios: Sequence[Audio], *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()
    ) -> list[Transcript]:
        """Encode clips side by side on all cores, then decode batches of clips of like length."""
        check_request(self.name, self.capabilities, grammar, hot_words)
        encoded = list(self._model.pool.map(self._model.encode, [audio.samples for audio in audios]))
        batches = _batches(encoded, self._model.num_threads)
        decoded = self._model.pool.map(self._model.decode, [[encoded[i] for i in batch] for batch in batches])
        hypotheses: dict[int, Hypothesis] = {}
        for batch, results in zip(batches, decoded, strict=True):
            hypotheses.update(zip(batch, results, strict=True))
        said = [hypotheses[index] for index in range(len(audios))]
        believed = self._model.pool.map(self.is_speech, [audio.samples for audio in audios], said)
        return [
            self._transcript(audio, hypothesis if is_believed else _NOTHING)
            for audio, hypothesis, is_believed in zip(audios, said, believed, strict=True)
        ]

    @property
    def vocabulary(self) -> Vocabulary:
        """Its tokens by how they are spelled, for constraints."""
        if self._vocabulary is None:
            pieces = [piece.decode("utf-8", errors="replace") for piece in self._model.tokenizer.pieces]
            pieces[:FIRST_TEXT_TOKEN] = [""] * FIRST_TEXT_TOKEN
            self._vocabulary = Vocabulary(pieces)
        return self._vocabulary

    def search(self, audios: Sequence[Audio], constraint: TokenConstraint, *, width: int = 4) -> list[Searched]:
        """See ``ConstrainedRecognizer``. Free recognition is one more row of the same batch."""
        encoded = list(self._model.pool.map(self._model.encode, [audio.samples for audio in audios]))
        batches = _batches(encoded, self._model.num_threads, rows_per_clip=width + 1)
        results: dict[int, Searched] = {}

        def run(batch: list[int]) -> None:
            frames = [encoded[index] for index in batch]
            held = [new_beam(each, constraint, width) for each in frames]
            free = [new_greedy(each) for each in frames]
            search(self._model, frames, list(zip(held, free, strict=True)))
            for index, each, narrow, greedy in zip(batch, frames, held, free, strict=True):
                found, heard = narrow.found(), greedy.found()[0]
                if not found or heard.log_prob - found[0].log_prob > _DOUBT:
                    wide = new_beam(each, constraint, _WIDER * width)
                    search(self._model, [each], [[wide]])
                    found = wide.found() or found
                results[index] = self._searched(audios[index], found, heard)

        list(self._model.pool.map(run, batches))
        return [results[index] for index in range(len(audios))]

    def _searched(self, audio: Audio, found: list[Found], heard: Found) -> Searched:
        written = " ".join(text for text, _ in self._model.tokenizer.words(found[0].tokens)) if found else ""
        hypothesis = Hypothesis(heard.tokens, heard.token_log_probs, is_complete=True)
        words = self._model.tokenizer.words(hypothesis.tokens)
        is_said = self.is_speech(audio.samples, hypothesis)
        open_text = " ".join(text for text, _ in words) if is_said else ""
        is_heard = any(any(map(str.isalnum, text)) for text, _ in words)
        if not is_said and len(audio.samples) <= _LONG_CLIP:
            is_heard = is_heard and SpeechEvidence(audio.samples).num_frames > 0
        return Searched(tuple(found), written, open_text, heard.log_prob, is_heard)

    def open_utterance(self) -> MoonshineUtterance:
        """A growing utterance, decoded again and again; see ``earshot.engines.streaming``."""
        return MoonshineUtterance(self, self._model)

    def close(self) -> None:
        """Stop the workers."""
        self._model.close()

    def is_speech(self, samples: Samples, hypothesis: Hypothesis) -> bool:
        """Whether the words were said rather than invented; see ``plausibility``."""
        if not hypothesis.tokens or is_hopeless(hypothesis.log_probs):
            return False
        if len(samples) > _LONG_CLIP:
            return True
        evidence = SpeechEvidence(samples)
        score = evidence.score(hypothesis.log_probs)
        if evidence.num_frames >= LONG_SPEECH or score > DOUBTFUL[1]:
            return True
        if score < DOUBTFUL[0]:
            return False
        text = self._letters(hypothesis)
        copies = self._model.decode([self._model.encode(copy) for copy in changed_copies(samples)])
        num_agreeing = sum(self._letters(copy) == text for copy in copies)
        return evidence.second_score(hypothesis.log_probs, num_agreeing) > ACCEPTED

    def _letters(self, hypothesis: Hypothesis) -> str:
        spelled = self._model.tokenizer.words(hypothesis.tokens)
        return "".join(filter(str.isalnum, "".join(text for text, _ in spelled).lower()))

    def words(self, hypothesis: Hypothesis) -> tuple[Word, ...]:
        """Words with their confidences."""
        return tuple(
            Word(text, confidence=_confidence([hypothesis.log_probs[i] for i in positions]))
            for text, positions in self._model.tokenizer.words(hypothesis.tokens)
        )

    def _transcript(self, audio: Audio, hypothesis: Hypothesis) -> Transcript:
        words = self.words(hypothesis)
        text = " ".join(word.text for word in words)
        segments = (Segment(text, 0.0, audio.duration, words, language="en"),) if words else ()
        return Transcript(segments, "en", audio.duration, self.name)


class MoonshineUtterance:
    """The open utterance of one live stream: what was decoded last is the draft of what comes next."""

    language: str | None = "en"

    def __init__(self, recognizer: MoonshineRecognizer, model: MoonshineModel) -> None:
        self._recognizer = recognizer
        self._model = model
        self._hypothesis = _NOTHING
        self._words: tuple[Word, ...] = ()
        self._frames: Frames | None = None

    def decode(self, samples: Samples, num_stable: int = 0) -> tuple[Word, ...]:
        """Words of the utterance so far, of which the first ``num_stable`` stay as they were."""
        tokens = self._hypothesis.tokens
        spelled = self._model.tokenizer.words(tokens)
        num_forced = spelled[num_stable - 1][1][-1] + 1 if 0 < num_stable <= len(spelled) else 0
        self._frames = self._model.encode(np.concatenate([samples, np.zeros(_HUSH * FRAME, np.float32)]))
        self._hypothesis = self._model.decode_draft(self._frames, tokens, num_forced)
        self._words = self._recognizer.words(self._hypothesis)
        return self._words

    def is_speech(self, samples: Samples) -> bool:
        """Whether what was decoded last was said rather than invented."""
        return self._recognizer.is_speech(samples, self._hypothesis)

    def completeness(self, num_silent_frames: int) -> float:
        """See ``OpenUtterance``."""
        predictor = self._recognizer.endpoint_predictor
        if predictor is None or self._frames is None:
            return 0.5
        return predictor.completeness(
            self._frames, num_silent_frames + _HUSH, self._words, self._hypothesis.log_probs
        )


def _batches(encoded: Sequence[Frames], num_workers: int, *, rows_per_clip: int = 1) -> list[list[int]]:
    """Indices of the clips, longest first, in batches of like length and at least one batch a worker."""
    order = sorted(range(len(encoded)), key=lambda index: -encoded[index].shape[1])
    largest = min(_MAX_CLIPS_IN_BATCH, max(1, math.ceil(len(order) / num_workers)))
    batches: list[list[int]] = []
    for index in order:
        batch = batches[-1] if batches else []
        is_full = (
            not batch
            or len(batch) >= largest
            or (len(batch) + 1) * rows_per_clip * encoded[batch[0]].shape[1] > _MAX_FRAMES_IN_BATCH
        )
        if is_full:
            batches.append([index])
        else:
            batch.append(index)
    return batches


def _confidence(log_probs: Sequence[float]) -> float:
    """Probability of a word: that of its least certain token."""
    return math.exp(min(log_probs))


def embedded_folder() -> Path:
    """The folder of the weights that come inside the ``moonshine-voice`` wheel; the package is not imported.

    Raises ModelError when the wheel is absent or of a release that carries no weights.
    """
    spec = find_spec("moonshine_voice")
    if spec is None or spec.origin is None:
        raise ModelError("the Moonshine weights are not installed", fix="pip install moonshine-voice==0.1.0")
    folder = Path(spec.origin).parent / "assets" / "tiny-en"
    if not folder.is_dir():
        raise ModelError(
            "this release of moonshine-voice carries no weights", fix="pip install moonshine-voice==0.1.0"
        )
    return folder


def _load(options: EngineOptions) -> MoonshineRecognizer:
    if options.device != "cpu":
        raise EngineError(f"moonshine runs on the CPU, not on {options.device!r}", fix="leave --device out")
    if options.language not in (None, "en"):
        raise EngineError(
            f"the embedded Moonshine model knows English, not {options.language!r}",
            fix="choose another engine: earshot models list --language " + str(options.language),
        )
    if options.model in (None, "tiny-en"):
        return MoonshineRecognizer(embedded_folder(), num_threads=options.num_threads)
    from earshot.engines.folder import model_folder

    folder = model_folder(options.model, engine="moonshine")
    return MoonshineRecognizer(folder, name=folder.name, num_threads=options.num_threads)


ENGINE = Engine(
    "moonshine",
    "English, fast, punctuated; weights included",
    _load,
    modules=("onnxruntime",),
    has_default_model=True,
)
