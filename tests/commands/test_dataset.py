from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.commands.clip_sounds import cut_silence, load_clips, one_second, pieces_of_speech, spliced
from earshot.commands.dataset import (
    UNKNOWN,
    Clip,
    check_split,
    read_clips,
    split_by_speaker,
    twelve_classes,
    which_set,
)
from earshot.core.errors import CommandError


def write(path: Path, seconds: float = 0.5) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(round(16_000 * seconds)) / 16_000
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * 300 * times), 16_000)
    return path


def test_the_published_hash_decides_for_a_speaker_and_not_for_a_clip() -> None:
    assert which_set("c50f55b8_nohash_19.wav") == which_set("c50f55b8_nohash_0.wav") == which_set("c50f55b8")
    sides = [which_set(f"{number:08x}_nohash_0.wav") for number in range(3_000)]
    assert 0.08 < sides.count("validation") / 3_000 < 0.12
    assert 0.08 < sides.count("testing") / 3_000 < 0.12


def test_the_lists_of_speech_commands_are_followed(tmp_path: Path) -> None:
    for word in ("yes", "no"):
        for speaker in ("aa", "bb", "cc"):
            write(tmp_path / word / f"{speaker}_nohash_0.wav", 0.2)
    write(tmp_path / "_background_noise_" / "tap.wav")
    (tmp_path / "validation_list.txt").write_text("yes/bb_nohash_0.wav\nno/bb_nohash_0.wav\n")
    (tmp_path / "testing_list.txt").write_text("yes/cc_nohash_0.wav\nno/cc_nohash_0.wav\n")
    split = split_by_speaker(read_clips(tmp_path))
    assert {clip.speaker for clip in split.training} == {"aa"}
    assert {clip.speaker for clip in split.validation} == {"bb"}
    assert {clip.speaker for clip in split.testing} == {"cc"}
    assert {clip.label for clip in split.testing} == {"yes", "no"}


@pytest.mark.parametrize(
    ("name", "speaker"),
    [
        ("light/anna_1.wav", "anna"),
        ("light/anna-smith_12.wav", "anna-smith"),
        ("light/anna/7.wav", "anna"),
        ("light/c50f55b8_nohash_3.wav", "c50f55b8"),
        ("light/7.wav", "light/7.wav"),
    ],
)
def test_speakers_are_found_in_names(tmp_path: Path, name: str, speaker: str) -> None:
    write(tmp_path / name, 0.2)
    assert [clip.speaker for clip in read_clips(tmp_path)] == [speaker]


parts = st.sampled_from(["training", "validation", "testing", None])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdefghij"), parts), max_size=60))
def test_nobody_is_on_two_sides(rows: list[tuple[str, str | None]]) -> None:
    clips = [Clip(Path(str(index)), "yes", speaker, part) for index, (speaker, part) in enumerate(rows)]
    split = split_by_speaker(clips)
    sides = [{clip.speaker for clip in side} for side in (split.training, split.validation, split.testing)]
    assert sum(len(side) for side in sides) == len(sides[0] | sides[1] | sides[2])
    assert sum(
        len(side) for side in (split.training, split.validation, split.testing)
    ) + split.num_dropped == len(clips)
    # The corpus's own test set stays whole.
    assert {clip.path for clip in clips if clip.part == "testing"} <= {clip.path for clip in split.testing}


def test_a_manifest_gives_speakers_and_sides_and_its_wrong_line_is_named(tmp_path: Path) -> None:
    rows = [
        {"audio": "a.wav", "label": "yes", "speaker": "x", "official_split": "test"},
        {"audio": "b.wav", "label": "bed", "speaker": "y"},
    ]
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    clips = twelve_classes(read_clips(tmp_path))
    assert [(clip.label, clip.speaker, clip.part) for clip in clips] == [
        ("yes", "x", "testing"),
        (UNKNOWN, "y", None),
    ]
    manifest.write_text('{"audio": "a.wav", "label": "yes"}\n{"audio": 3, "label": "no"}\n')
    with pytest.raises(CommandError, match=r"manifest\.jsonl:2"):
        read_clips(tmp_path)


def make_split(**speakers: int) -> list[Clip]:
    return [
        Clip(Path(f"{label}/{index}"), label, f"{label}-{index}", "testing" if index == 0 else "training")
        for label, number in speakers.items()
        for index in range(number)
    ]


def test_one_class_or_too_few_speakers_are_refused_and_few_are_warned_of() -> None:
    with pytest.raises(CommandError, match="one class"):
        check_split(split_by_speaker(make_split(yes=30)))
    with pytest.raises(CommandError, match="'no' has 2 speakers"):
        check_split(split_by_speaker(make_split(yes=30, no=2)))
    warnings = check_split(split_by_speaker(make_split(yes=30, no=5)))
    assert any("'no'" in warning for warning in warnings)


def test_clips_that_are_too_short_too_long_or_no_sound_are_named(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no sound at all")
    paths = [
        write(tmp_path / "good.wav", 0.5),
        write(tmp_path / "short.wav", 0.05),
        write(tmp_path / "long.wav", 11.0),
        tmp_path / "bad.wav",
        tmp_path / "absent.wav",
    ]
    kept, sounds, refused = load_clips([Clip(path, "yes", "a") for path in paths])
    assert [clip.path.name for clip in kept] == ["good.wav"]
    assert sounds.shape == (1, 16_000)
    assert {one.path.name for one in refused} == {"short.wav", "long.wav", "bad.wav", "absent.wav"}
    assert all(one.reason for one in refused)


def test_one_second_keeps_the_loudest_second() -> None:
    samples = np.zeros(40_000, np.float32)
    samples[30_000:32_000] = 0.5
    assert np.square(one_second(samples)).sum() == np.square(samples).sum()
    assert len(one_second(samples[:5_000])) == 16_000


def test_silence_and_spliced_words_are_made_of_what_is_there(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = rng.uniform(-0.1, 0.1, 50_000).astype(np.float32)
    assert np.abs(cut_silence(noise, rng)).max() <= np.abs(noise).max()
    times = np.arange(8_000) / 16_000
    low, high = (one_second(np.sin(2 * np.pi * f * times).astype(np.float32)) for f in (300, 2_000))
    spectrum = np.abs(np.fft.rfft(spliced(low, high, rng)))
    assert spectrum[290:310].max() > 500
    assert spectrum[1_990:2_010].max() > 500
    assert len(pieces_of_speech([write(tmp_path / "talk.wav", 3.5)])) == 3
