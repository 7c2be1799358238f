from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.core.errors import EngineError, ModelError
from earshot.core.types import SAMPLE_RATE, Audio, Samples
from earshot.engines import EngineOptions, Recognizer, load_engine
from earshot.engines.moonshine import MoonshineRecognizer, embedded_folder
from earshot.engines.moonshine_model import MoonshineModel, Tokenizer, is_looping
from earshot.text.error_rate import word_error_rate
from earshot.text.normalise import normalise_english
from tests.conftest import SAMPLE_TEXT, Clip
from tests.engines.conformance import Conformance, finals_of, run_stream


@pytest.fixture(scope="module")
def moonshine() -> MoonshineRecognizer:
    recognizer = load_engine("moonshine")
    assert isinstance(recognizer, MoonshineRecognizer)
    return recognizer


class TestMoonshine(Conformance):
    @pytest.fixture
    def recognizer(self, moonshine: MoonshineRecognizer) -> Recognizer:
        return moonshine


def test_it_writes_the_words_of_the_sample(moonshine: MoonshineRecognizer, sample: Audio) -> None:
    said = normalise_english(moonshine.transcribe(sample).text)
    assert said.startswith(normalise_english(SAMPLE_TEXT))


@pytest.mark.slow
def test_it_reads_librispeech_with_few_errors(moonshine: MoonshineRecognizer, librispeech: list[Clip]) -> None:
    from earshot.audio.decode import read_audio

    clips = librispeech[::12]
    transcripts = moonshine.transcribe_batch([read_audio(clip.path) for clip in clips])
    said = " ".join(normalise_english(transcript.text) for transcript in transcripts)
    reference = " ".join(normalise_english(clip.text) for clip in clips)
    rate = word_error_rate(reference, said).rate
    assert rate is not None
    assert rate < 0.06  # 2.8 % over 125 clips; 21 clips scatter


def tone(seconds: float, *frequencies: float) -> Samples:
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    chord = sum(np.sin(2 * np.pi * frequency * time) for frequency in frequencies)
    return (0.2 * chord).astype(np.float32)


def hum_and_clicks() -> Samples:
    samples = tone(5.0, 50.0, 150.0)
    samples[:: SAMPLE_RATE // 3] += 0.7
    return samples


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(5 * SAMPLE_RATE, np.float32),
        np.random.default_rng(1).normal(0, 0.1, 5 * SAMPLE_RATE).astype(np.float32),
        np.random.default_rng(2).normal(0, 0.001, 5 * SAMPLE_RATE).astype(np.float32),
        np.cumsum(np.random.default_rng(3).normal(0, 0.002, 5 * SAMPLE_RATE)).astype(np.float32) % 0.5,
        tone(5.0, 440.0, 554.4, 659.3),
        hum_and_clicks(),
    ],
    ids=["silence", "loud noise", "faint noise", "rumble", "chord", "hum and clicks"],
)
def test_it_invents_nothing_where_nobody_speaks(moonshine: MoonshineRecognizer, samples: Samples) -> None:
    audio = Audio(samples)
    assert moonshine.transcribe(audio).text == ""
    assert finals_of(run_stream(moonshine, audio, 1_600)) == []


def test_music_has_no_words(moonshine: MoonshineRecognizer) -> None:
    scale = [261.6, 293.7, 329.6, 349.2, 392.0, 440.0, 493.9, 523.3]
    random = np.random.default_rng(4)
    notes = []
    for _ in range(24):
        note = tone(0.4, *random.choice(scale, 2), random.choice(scale) / 2)
        notes.append(note * np.exp(-np.linspace(0, 3, len(note), dtype=np.float32)))
    assert moonshine.transcribe(Audio(np.concatenate(notes).astype(np.float32))).text == ""


@pytest.mark.slow
def test_noise_has_no_words(moonshine: MoonshineRecognizer, speech: Path) -> None:
    from earshot.audio.decode import read_audio

    clips = sorted((speech / "noise").glob("*.opus"))[::3]
    said = {clip.name: moonshine.transcribe(read_audio(clip)).text for clip in clips}
    assert {name: text for name, text in said.items() if text} == {}


def test_unlikely_words_get_lower_confidence(moonshine: MoonshineRecognizer, sample: Audio) -> None:
    noise = np.random.default_rng(5).normal(0, 0.06, len(sample.samples)).astype(np.float32)
    clean = moonshine.transcribe(sample).segments
    noisy = moonshine.transcribe(Audio(sample.samples + noise)).segments
    assert clean[0].confidence is not None
    assert noisy[0].confidence is not None
    assert noisy[0].confidence < clean[0].confidence


def test_a_draft_changes_nothing_and_a_forced_one_stays(moonshine: MoonshineRecognizer, sample: Audio) -> None:
    model = MoonshineModel(embedded_folder(), num_threads=1)
    frames = model.encode(sample.samples[: 6 * SAMPLE_RATE])
    free = model.decode([frames])[0]
    assert model.decode_draft(frames, free.tokens).tokens == free.tokens
    assert model.decode_draft(frames, (500, 501)).tokens == free.tokens
    forced = model.decode_draft(frames, free.tokens[:4], num_forced=4)
    assert forced.tokens[:4] == free.tokens[:4]
    words = [word for word, _ in model.tokenizer.words(forced.tokens)]
    kept = [word for word, _ in model.tokenizer.words(free.tokens[:4])]
    assert words[: len(kept)] == kept


def test_a_loop_is_stopped() -> None:
    assert is_looping([5, 6, 7, 5, 6, 7, 5, 6, 7, 5, 6, 7])
    assert is_looping([9] * 8)
    assert not is_looping([9] * 7)
    assert not is_looping([1, 2, 3, 4, 5, 1, 2, 3, 4, 5])


@given(st.lists(st.integers(0, 40), max_size=30))
def test_random_tokens_are_no_loop_unless_they_repeat(tokens: list[int]) -> None:
    if is_looping(tokens):
        assert any(tokens[-period:] == tokens[-2 * period : -period] for period in range(1, 13))


def test_the_tokenizer_spells_every_word_once() -> None:
    tokenizer = Tokenizer(embedded_folder() / "tokenizer.bin")
    number = {piece: index for index, piece in enumerate(tokenizer.pieces)}
    tokens = [number["▁the".encode()], number[b"et"], number["▁to".encode()], number[b","]]
    assert tokenizer.words(tokens) == [("theet", [0, 1]), ("to,", [2, 3])]


def test_a_damaged_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no Moonshine model"):
        MoonshineRecognizer(tmp_path)
    for name in ("encoder_model.ort", "tokenizer.bin"):
        shutil.copy(embedded_folder() / name, tmp_path)
    (tmp_path / "decoder_model_merged.ort").write_bytes(b"no network at all")
    with pytest.raises(ModelError, match="cannot be loaded"):
        MoonshineRecognizer(tmp_path)
    (tmp_path / "tokenizer.bin").write_bytes(b"\xff")
    with pytest.raises(ModelError, match="damaged"):
        MoonshineRecognizer(tmp_path)


def test_other_languages_and_devices_are_refused() -> None:
    with pytest.raises(EngineError, match="knows English"):
        load_engine("moonshine", EngineOptions(language="ru"))
    with pytest.raises(EngineError, match="CPU"):
        load_engine("moonshine", EngineOptions(device="cuda"))
