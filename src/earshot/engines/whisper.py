"""Whisper through ``faster-whisper`` (CTranslate2): about a hundred languages, punctuated.

Radford et al. 2022, "Robust speech recognition via large-scale weak supervision", arXiv:2212.04356. A model is
a folder converted with ``ct2-transformers-converter``; the network is never touched. Our own cutting at silence
stands in for the library's, so Whisper hears no long silence to invent words into, and every stretch is decoded
in one pass: no second look at what is left behind the last word, where most inventions come from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from earshot.audio.cutting import CutOptions
from earshot.audio.resample import resample
from earshot.core.errors import EngineError, ModelError, UnknownModelError, UnsupportedError
from earshot.core.optional import require
from earshot.core.runtime import num_cores
from earshot.core.types import SAMPLE_RATE, Audio, Capabilities, Grammar, Samples, Segment, Transcript, Word
from earshot.engines.base import Engine, EngineOptions, Task, check_request
from earshot.engines.folder import first_line, model_folder, own_folder, read_json
from earshot.engines.offline import OfflineRecognizer

_LONGEST = 30
"""Seconds; the net hears exactly this much at once, shorter sound padded to it."""

_FEWEST_SAMPLES = 400
"""The length of one frame of the spectrogram; nothing shorter is a word."""

_MAX_REPETITION = 2.4
"""A text that zlib packs to less than 1/2.4 of its size goes in circles (threshold of Radford et al. 2022)."""

_MIN_LOG_PROB = -1.0
"""Mean log-probability of the tokens under which a text is doubtful (ibid.)."""

_MAX_NO_SPEECH = 0.6
"""Probability of "no speech" over which a doubtful text is not believed (ibid.)."""


@dataclass(frozen=True, slots=True)
class WhisperOptions:
    """How Whisper decodes.

    beam_size: hypotheses kept; 5 is what Whisper's published error rates were measured with, 1 is the fastest.
    batch_size: stretches decoded together. compute_type: of CTranslate2; None means int8 on the CPU (a quarter
    of the memory of float32) and the stored type elsewhere.
    """

    beam_size: int = 5
    batch_size: int = 8
    compute_type: str | None = None


class WhisperRecognizer(OfflineRecognizer):
    """One Whisper model; safe to call from several threads at once.

    folder: holds model.bin, config.json, tokenizer.json and the vocabulary. language: what is spoken; None lets
    the model decide, once for all stretches that are recognized together. num_threads: None for all cores.
    device: "cpu", "cuda" or "auto". task: translate writes English. Raises ModelError when a file is missing or
    broken.
    """

    # A stretch costs as much as 30 s however short it is, so neighbours share one.
    cut_options = CutOptions(join_gap=1.5)

    def __init__(
        self,
        folder: Path,
        *,
        name: str | None = None,
        language: str | None = None,
        num_threads: int | None = None,
        device: str = "cpu",
        task: Task = "transcribe",
        options: WhisperOptions | None = None,
    ) -> None:
        self.name = f"whisper/{name or folder.name}"
        self._options = options or WhisperOptions()
        self._library = require("faster_whisper", extra="whisper", purpose="the whisper engine")
        self._model: Any = _load_model(self._library, folder, device, num_threads, self._options)
        languages = frozenset(
            code
            for code in self._model.supported_languages
            if not self._model.model.is_multilingual or self._model.hf_tokenizer.token_to_id(f"<|{code}|>")
        )
        if language is not None and language not in languages:
            knows = ", ".join(sorted(languages)) if len(languages) < 5 else f"{len(languages)} languages"
            raise UnsupportedError(
                f"{self.name} knows {knows}, not {language!r}",
                fix="leave --language out to let the model decide, or choose another model",
            )
        if task == "translate" and not self._model.model.is_multilingual:
            raise UnsupportedError(
                f"{self.name} knows English alone and cannot translate", fix="choose a model without .en"
            )
        self._language = language
        self._task: Task = task
        self.capabilities = Capabilities(
            word_times=True,
            confidences=True,
            hot_words=True,
            languages=languages,
            max_duration=float(_LONGEST),
        )

    def transcribe_batch(
        self, audios: Sequence[Audio], *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()
    ) -> list[Transcript]:
        """Decode stretches in batches; those over 30 s are cut there, and digital silence says nothing.

        A text that goes in circles is decoded again without repetitions. It is not drawn by lot at rising
        temperatures, as Whisper's own code does: the same sound gives the same text.
        """
        check_request(self.name, self.capabilities, grammar, hot_words)
        if self._model is None:
            raise EngineError(f"{self.name} is closed", fix="load it again")
        clips = [clip for index, audio in enumerate(audios) for clip in _clips(index, audio)]
        segments, language = self._decode(clips, " ".join(hot_words) or None)
        if self._task == "translate":
            language = "en"
        return [
            Transcript(
                tuple(replace(s, language=language) for i, s in segments if i == index),
                language,
                audio.duration,
                self.name,
            )
            for index, audio in enumerate(audios)
        ]

    def close(self) -> None:
        """Release the weights."""
        self._model = None

    def _decode(
        self, clips: Sequence[_Clip], hot_words: str | None
    ) -> tuple[list[tuple[int, Segment]], str | None]:
        """Segments with the index of their recording, and the language."""
        if not clips:
            return [], self._language
        found, language = self._run(clips, hot_words, self._language)
        circling = [index for index, said in enumerate(found) if any(map(_goes_in_circles, said))]
        if circling:
            again, _ = self._run([clips[i] for i in circling], hot_words, language, no_repeat_ngram_size=5)
            for index, said in zip(circling, again, strict=True):
                found[index] = said
        segments = [
            (clip.index, segment)
            for clip, said in zip(clips, found, strict=True)
            for result in said
            if _is_believable(result) and (segment := _segment(result, clip))
        ]
        return segments, language

    def _run(
        self,
        clips: Sequence[_Clip],
        hot_words: str | None,
        language: str | None,
        *,
        no_repeat_ngram_size: int = 0,
    ) -> tuple[list[list[Any]], str]:
        """What the library says of each clip, and the language."""
        # One sound with each clip at a whole second, as the library rounds where a clip begins.
        sound = np.zeros(sum(clip.num_seconds for clip in clips) * SAMPLE_RATE, np.float32)
        starts: list[int] = []
        position = 0
        for clip in clips:
            starts.append(position)
            sound[position * SAMPLE_RATE :][: len(clip.samples)] = clip.samples
            position += clip.num_seconds
        try:
            results, info = self._library.BatchedInferencePipeline(self._model).transcribe(
                sound,
                language=language,
                task=self._task,
                beam_size=self._options.beam_size,
                batch_size=self._options.batch_size,
                temperature=0.0,
                no_repeat_ngram_size=no_repeat_ngram_size,
                hotwords=hot_words,
                word_timestamps=True,
                without_timestamps=True,
                vad_filter=False,
                clip_timestamps=[
                    {"start": start, "end": start + len(clip.samples) / SAMPLE_RATE}
                    for start, clip in zip(starts, clips, strict=True)
                ],
            )
            said: list[list[Any]] = [[] for _ in clips]
            for result in results:
                said[starts.index(round(result.seek / self._model.frames_per_second))].append(result)
        except (RuntimeError, ValueError, IndexError) as error:
            raise EngineError(
                f"{self.name} failed: {first_line(error)}", fix="check the model: earshot models verify"
            ) from error
        return said, info.language


@dataclass(frozen=True, slots=True, eq=False)
class _Clip:
    """A stretch of at most 30 s. index: of its recording; start: seconds into it."""

    index: int
    start: int
    samples: Samples

    @property
    def num_seconds(self) -> int:
        """Whole seconds that hold it."""
        return -(-len(self.samples) // SAMPLE_RATE)


def _clips(index: int, audio: Audio) -> Iterator[_Clip]:
    samples = resample(audio, SAMPLE_RATE).samples
    for start in range(0, len(samples), _LONGEST * SAMPLE_RATE):
        part = samples[start : start + _LONGEST * SAMPLE_RATE]
        if len(part) >= _FEWEST_SAMPLES and part.any():
            yield _Clip(index, start // SAMPLE_RATE, part)


def _goes_in_circles(result: Any) -> bool:
    return bool(result.compression_ratio > _MAX_REPETITION)


def _is_believable(result: Any) -> bool:
    """Whether somebody said this: doubtful texts need at least sound like speech, and not go in circles."""
    if result.avg_logprob >= _MIN_LOG_PROB:
        return True
    return result.no_speech_prob <= _MAX_NO_SPEECH and not _goes_in_circles(result)


def _segment(result: Any, clip: _Clip) -> Segment | None:
    """What was said in a clip, None when it was nothing. Times count from the start of the recording."""
    origin = result.seek // 100  # seconds of the clip in the sound that was decoded
    end = len(clip.samples) / SAMPLE_RATE
    words: list[Word] = []
    clock = 0.0
    for text, start, stop, confidence in _whole_words(result.words or ()):
        # Cross-attention may put a word's edges anywhere: times are kept in order and in the clip.
        first = min(max(start - origin, clock), end)
        last = min(max(stop - origin, first), end)
        times = round(clip.start + first, 3), round(clip.start + last, 3)
        words.append(Word(text, *times, confidence, "engine"))
        clock = first
    if not words:
        return None
    text = " ".join(word.text for word in words)
    return Segment(text, words[0].start or 0.0, words[-1].end or end, tuple(words))


def _whole_words(pieces: Iterable[Any]) -> Iterator[tuple[str, float, float, float]]:
    """Text, start, end and confidence of every word between spaces.

    The library takes some words to pieces, such as "5" and "%", and all of those written without spaces.
    """
    run: list[Any] = []
    for piece in pieces:
        if run and piece.word[:1].isspace():
            yield from _joined(run)
            run = []
        run.append(piece)
    yield from _joined(run)


def _joined(run: Sequence[Any]) -> Iterator[tuple[str, float, float, float]]:
    text = "".join(piece.word for piece in run).strip()
    if text:
        logs = [math.log(max(piece.probability, 1e-9)) for piece in run]
        confidence = min(1.0, math.exp(sum(logs) / len(logs)))
        yield "".join(text.split()), float(run[0].start), float(run[-1].end), confidence


def _load_model(
    library: Any, folder: Path, device: str, num_threads: int | None, options: WhisperOptions
) -> Any:
    _check_folder(folder)
    try:
        model = library.WhisperModel(
            str(folder),
            device=device,
            compute_type=options.compute_type or ("int8" if device == "cpu" else "default"),
            cpu_threads=num_threads or num_cores(),
            local_files_only=True,
        )
    except Exception as error:  # hostile folders raise whatever the library happens to meet
        reason = first_line(error)
        if "device" in reason.lower() or "compute type" in reason.lower() or "CUDA" in reason:
            raise EngineError(f"CTranslate2 cannot run this: {reason}", fix="leave --device out") from error
        raise ModelError(
            f"the model {folder} cannot be loaded: {reason}", fix="copy the whole folder again"
        ) from error
    if model.hf_tokenizer.token_to_id("<|startoftranscript|>") is None:
        raise ModelError(f"{folder / 'tokenizer.json'} is not Whisper's", fix="copy the whole folder again")
    num_mels = model.feature_extractor.mel_filters.shape[0]
    if num_mels != model.model.n_mels:
        raise ModelError(
            f"the model {folder} hears {model.model.n_mels} mel bands and its preprocessor_config.json "
            f"makes {num_mels}",
            fix="copy preprocessor_config.json from where the model came",
        )
    return model


def _check_folder(folder: Path) -> None:
    """Refuse what is no converted Whisper; without tokenizer.json the library would ask the network for one."""
    if not folder.is_dir():
        raise UnknownModelError(f"there is no model folder {folder}", fix="see: earshot models list")
    config = read_json(folder / "config.json")
    family = config.get("model_type")
    if not (folder / "model.bin").is_file() and family:
        if family != "whisper":
            raise ModelError(
                f"{folder} holds a model of type {family!r}, no Whisper",
                fix="for wav2vec 2.0 and its kin use --engine wav2vec2",
            )
        raise ModelError(
            f"{folder} holds Whisper in the form of transformers",
            fix=f"convert it: ct2-transformers-converter --model {folder} --output_dir OUTPUT "
            "--copy_files tokenizer.json preprocessor_config.json",
        )
    missing = [n for n in ("model.bin", "tokenizer.json") if not (folder / n).is_file()]
    if not any((folder / name).is_file() for name in ("vocabulary.json", "vocabulary.txt")):
        missing.append("vocabulary.json")
    if missing:
        raise ModelError(f"the model {folder} lacks {', '.join(missing)}", fix="copy the whole folder again")
    read_json(folder / "preprocessor_config.json", default={})
    if not config.get("alignment_heads"):
        raise ModelError(
            f"{folder / 'config.json'} names no alignment_heads, which word times are made of",
            fix="convert the model again with a newer ct2-transformers-converter",
        )


def _load(options: EngineOptions) -> WhisperRecognizer:
    folder = own_folder(options.model) or model_folder(options.model, engine="whisper")
    return WhisperRecognizer(
        folder,
        language=options.language,
        num_threads=options.num_threads,
        device=options.device,
        task=options.task,
    )


ENGINE = Engine(
    "whisper",
    "about a hundred languages, punctuated; hot words (faster-whisper)",
    _load,
    extra="whisper",
    modules=("faster_whisper",),
    tasks=frozenset({"transcribe", "translate"}),
)
