from __future__ import annotations

import itertools
import math
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earshot.core.errors import ModelError
from earshot.core.types import Audio, Samples, Word
from earshot.engines.alignment import PocketSphinxAligner, find_aligner
from tests.conftest import SAMPLE_TEXT


@pytest.fixture(scope="module")
def aligner() -> PocketSphinxAligner:
    return PocketSphinxAligner()


def check_times(words: tuple[Word, ...], duration: float, offset: float = 0.0) -> None:
    clock = offset
    for word in words:
        assert word.start is not None
        assert word.end is not None
        assert math.isfinite(word.start)
        assert math.isfinite(word.end)
        assert clock - 1e-9 <= word.start < word.end <= offset + duration + 1e-9
        assert word.time_source in {"aligned", "interpolated"}
        clock = word.end


def loudness(audio: Audio, start: float, end: float) -> float:
    samples = audio.samples[round(start * 16_000) : round(end * 16_000)]
    return float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0


def starts(words: tuple[Word, ...]) -> list[float]:
    return [word.start for word in words if word.start is not None]


def test_every_word_of_a_recording_gets_its_time(aligner: PocketSphinxAligner, sample: Audio) -> None:
    words = aligner.align(sample, SAMPLE_TEXT)
    assert [word.text for word in words] == SAMPLE_TEXT.split()
    check_times(words, sample.duration)
    assert all(word.time_source == "aligned" for word in words)
    assert all(word.confidence is None for word in words)


def test_words_lie_where_there_is_sound(aligner: PocketSphinxAligner, sample: Audio) -> None:
    words = aligner.align(sample, SAMPLE_TEXT)
    whole = loudness(sample, 0, sample.duration)
    assert sum(loudness(sample, w.start or 0, w.end or 0) > 0.2 * whole for w in words) >= 0.9 * len(words)


def test_times_move_with_the_sound(aligner: PocketSphinxAligner, sample: Audio) -> None:
    words = aligner.align(sample, SAMPLE_TEXT)
    rng = np.random.default_rng(1)
    quiet = (1e-3 * rng.standard_normal(20_000)).astype(np.float32)
    later = aligner.align(Audio(np.concatenate([quiet, sample.samples])), SAMPLE_TEXT)
    shifts = np.array(starts(later)) - np.array(starts(words))
    assert np.median(shifts) == pytest.approx(1.25, abs=0.02)
    assert np.percentile(np.abs(shifts - 1.25), 90) < 0.06


def test_repeated_words_are_told_apart(aligner: PocketSphinxAligner, sample: Audio) -> None:
    words = aligner.align(sample, SAMPLE_TEXT)
    times = [word.start for word in words if word.text == "was"]
    assert len(times) == 4
    assert all(b - a > 1 for a, b in itertools.pairwise(t for t in times if t is not None))


def test_a_missing_word_does_not_shift_the_others(aligner: PocketSphinxAligner, sample: Audio) -> None:
    words = aligner.align(sample, SAMPLE_TEXT)
    tokens = SAMPLE_TEXT.split()
    fewer = aligner.align(sample, " ".join(tokens[:7] + tokens[8:]))
    expected = starts(words)[:7] + starts(words)[8:]
    assert np.median(np.abs(np.array(starts(fewer)) - np.array(expected))) < 0.03


def test_punctuation_and_case_stay_as_written(aligner: PocketSphinxAligner, sample: Audio) -> None:
    written = "It was the best of times; IT WAS the “worst” of times. It was the age of wisdom…"
    plain = aligner.align(sample, "it was the best of times it was the worst of times it was the age of wisdom")
    words = aligner.align(sample, written)
    assert [word.text for word in words] == written.split()
    assert starts(words) == pytest.approx(starts(plain), abs=0.2)


def test_tokens_of_several_words_span_them(aligner: PocketSphinxAligner, sample: Audio) -> None:
    tokens = SAMPLE_TEXT.split()
    apart = aligner.align(sample, SAMPLE_TEXT)
    joined = aligner.align(sample, " ".join([*tokens[:3], "-".join(tokens[3:6]), *tokens[6:]]))
    assert joined[3].text == "best-of-times"
    assert joined[3].start == pytest.approx(apart[3].start, abs=0.03)
    assert joined[3].end == pytest.approx(apart[5].end, abs=0.03)


def test_numbers_are_found_where_they_are_said(aligner: PocketSphinxAligner, speech: Path) -> None:
    """Digits of a voice, joined: written as figures they lie where they lie when spelled out."""
    import soundfile
    import soxr

    names = ["three", "one", "eight", "five"]
    parts: list[Samples] = [np.zeros(3_200, np.float32)]
    for name in names:
        path = sorted((speech / "spoken_digits" / name).glob("george_*"))[0]
        samples, rate = soundfile.read(path, dtype="float32")
        parts += [soxr.resample(samples, rate, 16_000).astype(np.float32), np.zeros(2_400, np.float32)]
    audio = Audio(np.concatenate(parts))
    spelled = aligner.align(audio, " ".join(names))
    assert starts(aligner.align(audio, "3 1 8 5")) == pytest.approx(starts(spelled), abs=0.05)
    (whole,) = aligner.align(audio, "3,185")
    assert whole.time_source == "aligned"


def test_confidences_are_kept(aligner: PocketSphinxAligner, sample: Audio) -> None:
    given_words = [
        Word(text, confidence=i / 100 if i % 3 else None) for i, text in enumerate(SAMPLE_TEXT.split())
    ]
    words = aligner.align_words(sample, given_words)
    assert [(w.text, w.confidence) for w in words] == [(w.text, w.confidence) for w in given_words]
    check_times(words, sample.duration)


def test_an_offset_moves_all_times(aligner: PocketSphinxAligner, sample: Audio) -> None:
    words = aligner.align(sample, SAMPLE_TEXT, offset=100.0)
    check_times(words, sample.duration, 100.0)
    assert starts(words) == pytest.approx([100 + t for t in starts(aligner.align(sample, SAMPLE_TEXT))])


def test_another_rate_gives_the_same_times(aligner: PocketSphinxAligner, sample: Audio) -> None:
    import soxr

    faster = Audio(np.ascontiguousarray(soxr.resample(sample.samples, 16_000, 44_100)), 44_100)
    there = np.array(starts(aligner.align(faster, SAMPLE_TEXT)))
    assert np.median(np.abs(there - starts(aligner.align(sample, SAMPLE_TEXT)))) <= 0.01


def test_no_text_no_words(aligner: PocketSphinxAligner, sample: Audio) -> None:
    assert aligner.align(sample, "") == ()
    assert aligner.align(sample, " \n\t ") == ()


def test_no_audio_no_times(aligner: PocketSphinxAligner) -> None:
    words = aligner.align(Audio(np.empty(0, np.float32)), "hello there")
    assert [(w.text, w.start, w.end, w.time_source) for w in words] == [
        ("hello", None, None, None),
        ("there", None, None, None),
    ]


@pytest.mark.parametrize("num_samples", [1, 100, 399, 410, 411, 1_600, 5_000])
def test_tiny_audio_still_orders_the_words(aligner: PocketSphinxAligner, num_samples: int) -> None:
    audio = Audio(np.full(num_samples, 0.1, np.float32))
    check_times(aligner.align(audio, "hello out there"), audio.duration)


def test_silence_gives_ordered_times(aligner: PocketSphinxAligner) -> None:
    audio = Audio(np.zeros(48_000, np.float32))
    check_times(aligner.align(audio, "nobody said these words"), 3.0)


def test_broken_samples_do_no_harm(aligner: PocketSphinxAligner, sample: Audio) -> None:
    samples = sample.samples.copy()
    samples[1_000:1_100] = np.nan
    samples[5_000] = np.inf
    samples[90_000] = -np.inf
    samples[120_000:120_100] = 1e30
    check_times(aligner.align(Audio(samples), SAMPLE_TEXT), sample.duration)


def test_nonsense_is_spread_in_order(aligner: PocketSphinxAligner, sample: Audio) -> None:
    nonsense = "zxqvw bbbbb' --- 'n' \u200b \x00 👍 ﷽ $ %%% ' .. aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    words = aligner.align(sample, nonsense)
    assert [word.text for word in words] == nonsense.split()
    check_times(words, sample.duration)


def test_text_far_too_long_is_spread(aligner: PocketSphinxAligner, sample: Audio) -> None:
    words = aligner.align(sample, "supercalifragilistic " * 2_000)
    check_times(words, sample.duration)
    assert len(words) == 2_000
    assert {word.time_source for word in words} == {"interpolated"}


def test_another_script_is_spread(aligner: PocketSphinxAligner, sample: Audio) -> None:
    words = aligner.align(sample, "это было лучшее из всех времён")
    check_times(words, sample.duration)
    assert {word.time_source for word in words} == {"interpolated"}


def test_an_unspeakable_word_lies_between_its_neighbours(aligner: PocketSphinxAligner, sample: Audio) -> None:
    tokens = SAMPLE_TEXT.split()
    plain = aligner.align(sample, SAMPLE_TEXT)
    words = aligner.align(sample, " ".join([*tokens[:9], "худшее", *tokens[10:]]))  # in the place of "worst"
    check_times(words, sample.duration)
    assert words[9].time_source == "interpolated"
    assert {w.time_source for w in words if w.text != "худшее"} == {"aligned"}
    assert words[8].start == pytest.approx(plain[8].start, abs=0.1)
    assert words[10].start == pytest.approx(plain[10].start, abs=0.25)


def test_lone_punctuation_takes_no_time_from_words(aligner: PocketSphinxAligner, sample: Audio) -> None:
    tokens = SAMPLE_TEXT.split()
    plain = aligner.align(sample, SAMPLE_TEXT)
    words = aligner.align(sample, " ".join([*tokens[:6], "—", *tokens[6:]]))
    check_times(words, sample.duration)
    assert words[6].time_source == "interpolated"
    others = [word for word in words if word.text != "—"]
    assert np.abs(np.array(starts(tuple(others))) - starts(plain)).max() < 0.02


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60), start=st.integers(0, 100_000), length=st.integers(1, 40_000))
def test_any_text_on_any_audio(
    aligner: PocketSphinxAligner, sample: Audio, text: str, start: int, length: int
) -> None:
    audio = Audio(sample.samples[start : start + length])
    words = aligner.align(audio, text)
    assert [word.text for word in words] == text.split()
    check_times(words, audio.duration)


def test_long_audio_is_aligned_piece_by_piece(aligner: PocketSphinxAligner, sample: Audio) -> None:
    """Nine times the sample: each repetition has the times of the first, nine seconds and more in."""
    part = Audio(sample.samples[:144_000])
    text = SAMPLE_TEXT
    once = aligner.align(part, text)
    words = aligner.align(Audio(np.tile(part.samples, 8)), " ".join([text] * 8))
    check_times(words, 8 * part.duration)
    expected = [t + 9.0 * i for i in range(8) for t in starts(once)]
    errors = np.abs(np.array(starts(words)) - expected)
    assert np.percentile(errors, 95) < 0.05


def test_threads_get_the_same_times(aligner: PocketSphinxAligner, sample: Audio) -> None:
    alone = aligner.align(sample, SAMPLE_TEXT)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: aligner.align(sample, SAMPLE_TEXT), range(4)))
    assert all(words == alone for words in together)


def test_aligning_lets_other_threads_run(aligner: PocketSphinxAligner, sample: Audio) -> None:
    """Unlike PocketSphinx's decoder, which holds Python's lock for the whole of an utterance."""
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(lambda: [aligner.align(sample, SAMPLE_TEXT) for _ in range(3)])
        num_ticks = 0
        while not work.done():
            num_ticks += 1
            time.sleep(0.001)
    print(f"{num_ticks} ticks while aligning three times")
    assert num_ticks > 3


@pytest.mark.parametrize("language", ["en", "en-GB", "EN", "en_US"])
def test_english_has_an_aligner(language: str) -> None:
    aligner = find_aligner(language)
    assert aligner is not None
    assert "en" in aligner.languages


@pytest.mark.parametrize("language", ["ru", "", None, "eng", "xx-en"])
def test_other_languages_have_none(language: str | None) -> None:
    assert find_aligner(language) is None


def test_a_damaged_model_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot read the acoustic model"):
        PocketSphinxAligner(tmp_path)


@pytest.mark.parametrize("name", ["mdef", "means", "variances", "sendump", "transition_matrices"])
@pytest.mark.parametrize("damage", ["empty", "cut", "noise"])
def test_a_damaged_file_is_one_line(tmp_path: Path, name: str, damage: str) -> None:
    import shutil

    from earshot.engines.alignment import wheel_models

    folder = tmp_path / "en-us"
    shutil.copytree(wheel_models() / "en-us" / "en-us", folder)
    whole = (folder / name).read_bytes()
    noise = np.random.default_rng(3).integers(0, 256, len(whole), np.uint8).tobytes()
    (folder / name).write_bytes({"empty": b"", "cut": whole[:1_000], "noise": noise}[damage])
    with pytest.raises(ModelError, match="acoustic model") as caught:
        PocketSphinxAligner(tmp_path)
    assert "\n" not in str(caught.value)
    assert caught.value.fix
