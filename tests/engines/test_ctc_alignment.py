from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.core.errors import ModelError, UnknownModelError, UnsupportedError
from earshot.core.types import SAMPLE_RATE, Audio, Word
from earshot.decoding.ctc import align, log_softmax
from earshot.engines.alignment import PocketSphinxAligner, find_aligner
from earshot.engines.ctc import deploy, load_ctc
from earshot.engines.ctc_alignment import CtcAligner
from earshot.engines.ctc_lag import earlier, measure_lag, remember_lag
from earshot.transcription import Transcriber, TranscriptionOptions
from tests.engines.tiny_ctc import SPOKEN, SYMBOLS, write_ctc
from tests.engines.tiny_wav2vec2 import TEXT


@pytest.fixture(scope="session")
def folder(sample: Audio, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ctc(tmp_path_factory.mktemp("aligner") / "dickens", sample.samples, languages=("en", "xx"))


@pytest.fixture(scope="session")
def aligner(folder: Path) -> CtcAligner:
    return CtcAligner(folder)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path))
    return tmp_path


def check(words: tuple[Word, ...], duration: float) -> None:
    clock = 0.0
    for word in words:
        assert word.start is not None
        assert word.end is not None
        assert clock <= word.start < word.end <= duration + 1e-6
        clock = word.end


def test_words_of_any_spelling_lie_where_they_are_said(aligner: CtcAligner, sample: Audio) -> None:
    words = aligner.align(sample, TEXT.title().replace("Wisdom", "WISDOM,"))
    check(words, sample.duration)
    for start, end, text in SPOKEN:
        own, words = words[: len(text.split())], words[len(text.split()) :]
        assert own[0].start == pytest.approx(start, abs=0.05)
        assert own[-1].end == pytest.approx(end, abs=0.05)
        assert {word.time_source for word in own} == {"aligned"}
    assert not words


def test_unknown_letters_are_skipped_and_unknown_words_lie_between(aligner: CtcAligner, sample: Audio) -> None:
    plain = aligner.align(sample, TEXT)
    strange = aligner.align(sample, TEXT.replace("best", "жbestю").replace("worst", "42"))
    assert [(word.start, word.end) for word in strange[:4]] == [(word.start, word.end) for word in plain[:4]]
    number = next(word for word in strange if word.text == "42")
    assert number.time_source == "interpolated"
    before, after = strange[strange.index(number) - 1], strange[strange.index(number) + 1]
    assert before.end == number.start
    assert number.end == after.start


def test_an_offset_moves_all_times_and_confidences_stay(aligner: CtcAligner, sample: Audio) -> None:
    words = [Word(text, confidence=0.25) for text in TEXT.split()]
    here, there = aligner.align_words(sample, words), aligner.align_words(sample, words, offset=100.0)
    assert {word.confidence for word in here} == {0.25}
    for one, other in zip(here, there, strict=True):
        assert one.start is not None
        assert other.start == pytest.approx(one.start + 100)


def test_long_audio_is_aligned_piece_by_piece(aligner: CtcAligner, sample: Audio) -> None:
    once = aligner.align(sample, TEXT)
    long = Audio(np.tile(sample.samples, 9))
    words = aligner.align(long, " ".join([TEXT] * 9))
    check(words, long.duration)
    late = [
        abs(
            (word.start or 0.0)
            - (once[index % len(once)].start or 0.0)
            - sample.duration * (index // len(once))
        )
        for index, word in enumerate(words)
    ]
    assert np.median(late) < 0.03
    assert max(late) < 0.5


@pytest.mark.parametrize("text", ["", "42 !", TEXT * 30, "zzz qqq"])
@pytest.mark.parametrize("num_samples", [0, 1, 200, 16_000])
def test_any_text_on_any_audio(aligner: CtcAligner, sample: Audio, text: str, num_samples: int) -> None:
    audio = Audio(sample.samples[30_000:][:num_samples])
    words = aligner.align(audio, text)
    assert [word.text for word in words] == text.split()
    if num_samples:
        check(words, audio.duration)


def test_pocketsphinx_has_english_unless_another_is_named(home: Path, folder: Path, sample: Audio) -> None:
    deploy(folder, "mine")
    assert isinstance(find_aligner("en"), PocketSphinxAligner)
    assert isinstance(find_aligner("en", model="mine"), CtcAligner)
    assert isinstance(find_aligner("en", model=str(folder)), CtcAligner)
    assert isinstance(find_aligner("XX-yy"), CtcAligner)
    assert isinstance(find_aligner(None, model="mine"), CtcAligner)
    assert find_aligner("de", model="mine") is None
    assert find_aligner("de") is None
    with pytest.raises(UnknownModelError):
        find_aligner("de", model="yours")


def test_a_model_that_names_no_language_aligns_when_it_is_named(
    home: Path, tmp_path: Path, sample: Audio
) -> None:
    deploy(write_ctc(tmp_path / "unnamed", sample.samples, languages=()), "unnamed")
    assert find_aligner("mb") is None
    assert isinstance(find_aligner("mb", model="unnamed"), CtcAligner)


def test_the_named_aligner_times_the_words_of_any_engine(home: Path, folder: Path, sample: Audio) -> None:
    deploy(folder, "mine")
    options = TranscriptionOptions(aligner="mine", punctuation=False, sentences=False)
    with Transcriber(options) as transcriber:
        transcript = transcriber.transcribe(sample)
    by_letters = CtcAligner(folder).align(sample, TEXT)
    found = [word for word in transcript.words if word.time_source == "aligned"]
    assert len(found) > 20
    best = next(word for word in found if word.text.lower().startswith("best"))
    assert best.start == pytest.approx(by_letters[3].start, abs=0.1)


def test_an_aligner_of_another_language_is_refused(home: Path, folder: Path) -> None:
    with pytest.raises(UnsupportedError, match="does not know the language ru"):
        Transcriber(TranscriptionOptions(engine="scripted", language="ru", aligner=str(folder)))
    with pytest.raises(ModelError):
        Transcriber(TranscriptionOptions(engine="scripted", aligner="absent"))


# --- alignment of a text that goes on ----------------------------------------------------------------------


def test_of_an_open_text_only_what_is_said_gets_a_span() -> None:
    said = [1, 1, 0, 2, 2, 0, 0, 3, 3, 0]
    log_probs = log_softmax(8.0 * np.eye(6)[said])
    spans = align(log_probs, [1, 2, 3, 4, 5, 4, 5, 4, 5, 1, 2], 0, is_open=True)
    assert [(span.token, span.start) for span in spans] == [(1, 0), (2, 3), (3, 7)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=8), st.integers(0, 2**32 - 1))
def test_a_text_that_ends_there_is_aligned_alike_open_or_not(tokens: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    said = [token for one in tokens for token in (one, one, 0)]
    log_probs = log_softmax(10.0 * np.eye(5)[said] + rng.normal(0, 0.5, (len(said), 5)))
    assert align(log_probs, tokens, 0, is_open=True) == align(log_probs, tokens, 0)


def test_nothing_to_look_at_is_nothing() -> None:
    assert align(np.zeros((0, 3)), [1, 2], 0, is_open=True) == []


def test_pieces_of_audio_meet_at_seconds(aligner: CtcAligner, sample: Audio) -> None:
    """A pause longer than a window is no obstacle."""
    pause = np.zeros(50 * SAMPLE_RATE, np.float32)
    audio = Audio(np.concatenate([sample.samples, pause, sample.samples]))
    words = aligner.align(audio, f"{TEXT} {TEXT}")
    second = words[len(TEXT.split())]
    assert second.start == pytest.approx(SPOKEN[0][0] + 60, abs=0.1)


# --- nets that write late -----------------------------------------------------------------------------------

_LETTER = 0.12
"""Seconds of each letter of the tones."""


def tones(seconds: float = 12.0) -> tuple[Audio, list[str]]:
    """A tone for each letter, words without a pause between them; and what is said."""
    rng = np.random.default_rng(4)
    words: list[str] = []
    letters = list(SYMBOLS[2:])
    parts = [rng.normal(0, 1e-4, SAMPLE_RATE // 2)]
    while sum(map(len, parts)) < seconds * SAMPLE_RATE:
        word = "".join(rng.choice(letters, 3, replace=False))
        if words and words[-1][-1] == word[0]:
            continue
        words.append(word)
        for letter in word:
            time = np.arange(round(_LETTER * SAMPLE_RATE)) / SAMPLE_RATE
            tone = np.sin(2 * np.pi * 200 * 1.22 ** letters.index(letter) * time)
            parts.append(0.3 * tone + rng.normal(0, 0.03, len(time)))  # no frame is like another
    return Audio(np.concatenate([*parts, parts[0]]).astype(np.float32)), words


def late_net(folder: Path, seconds: float) -> tuple[Path, Audio, list[str]]:
    """A net for the tones that writes each letter so much later, and the space in the last third of a word."""
    audio, words = tones()
    said = "".join(words)

    def label(now: float) -> int:
        place = (now - seconds - 0.5) / _LETTER
        if not 0 <= place < len(said):
            return 0
        is_last = int(place) % 3 == 2
        return SYMBOLS.index("▁" if is_last and place % 1 > 0.6 else said[int(place)])

    return write_ctc(folder, audio.samples, labels=label), audio, words


@pytest.mark.parametrize("seconds", [0.0, 0.06, 0.11])
def test_a_net_that_writes_late_is_found_out(tmp_path: Path, seconds: float) -> None:
    folder, audio, words = late_net(tmp_path / "late", seconds)
    before = CtcAligner(folder).align(audio, " ".join(words))
    assert remember_lag(folder, [(audio, " ".join(words))]) == pytest.approx(seconds, abs=0.021)
    after = CtcAligner(folder).align(audio, " ".join(words))
    heard = load_ctc(folder).transcribe_batch([audio])[0].words
    assert [word.text for word in heard] == words
    starts = [0.5 + 3 * _LETTER * index for index in range(len(words))]
    for index, start in enumerate(starts):
        assert before[index].start == pytest.approx(start + seconds, abs=0.04)
        assert after[index].start == pytest.approx(start, abs=0.04)
        assert heard[index].start == pytest.approx(start, abs=0.04)
        assert index == 0 or after[index - 1].end == after[index].start  # no pause, so none between the words


def test_too_little_sound_tells_no_lag(tmp_path: Path) -> None:
    folder, audio, words = late_net(tmp_path / "late", 0.1)
    short = Audio(audio.samples[: 2 * SAMPLE_RATE])
    assert measure_lag(load_ctc(folder), [(short, " ".join(words[:4])), (short, ""), (short, "§")]) == 0.0
    noise = np.random.default_rng(0).normal(0, 0.1, 12 * SAMPLE_RATE).astype(np.float32)
    assert measure_lag(load_ctc(folder), [(Audio(noise), " ".join(words))]) == 0.0


@pytest.mark.parametrize("lag", ["soon", 1.5, None])
def test_an_impossible_lag_is_refused(tmp_path: Path, sample: Audio, lag: object) -> None:
    with pytest.raises(ModelError, match="'lag' is"):
        load_ctc(write_ctc(tmp_path / "odd", sample.samples, lag=lag or "None"))


def test_no_word_begins_before_the_sound() -> None:
    assert earlier([(0.05, 0.2), None, (0.5, 0.6), (0.65, 0.7), (1.0, 1.1)], 0.1) == [
        (0.0, pytest.approx(0.1)),
        None,
        (pytest.approx(0.4), pytest.approx(0.55)),
        (pytest.approx(0.55), pytest.approx(0.6)),
        (pytest.approx(0.9), pytest.approx(1.0)),
    ]
