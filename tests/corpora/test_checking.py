from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earshot.corpora import Manifest, Utterance, read_manifest
from earshot.corpora.checking import CheckOptions, Defect, check_manifest, cleaned
from earshot.corpora.letters import count_letters, usual_alphabet
from earshot.decoding.ctc import frames_needed
from tests.corpora.sounds import tone, write_tone


def defects(manifest: Manifest, options: CheckOptions | None = None) -> list[tuple[int, Defect]]:
    return [(issue.index, issue.defect) for issue in check_manifest(manifest, options, num_threads=1).issues]


def manifest(*utterances: Utterance) -> Manifest:
    return Manifest(utterances)


def test_a_sound_corpus_has_no_defects(tmp_path: Path) -> None:
    one = Utterance(write_tone(tmp_path / "a.wav", 2.0), duration=2.0, text="hello there")
    other = Utterance(write_tone(tmp_path / "b.opus.wav", 1.5, pitch=300), text="Hello again.")
    report = check_manifest(manifest(one, other), num_threads=2)
    assert report.issues == ()
    assert report.durations == (2.0, 1.5)


def test_what_is_missing_or_no_recording(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    found = manifest(
        Utterance(tmp_path / "none.wav", text="hello"),
        Utterance(tmp_path / "text.wav", text="hello"),
    )
    assert defects(found) == [(0, Defect.MISSING), (1, Defect.UNREADABLE)]


def test_a_recording_that_was_cut_off(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "a.wav", 3.0)
    path.write_bytes(path.read_bytes()[:50_000])
    found = check_manifest(manifest(Utterance(path, duration=3.0, text="hello"))).issues
    assert {issue.defect for issue in found} == {Defect.DAMAGED, Defect.DURATION}


@pytest.mark.parametrize(
    ("start", "duration", "expected"),
    [
        (0.0, 2.05, []),
        (0.0, 5.0, [Defect.DURATION]),
        (0.0, 1.0, [Defect.DURATION]),
        (0.5, 1.0, []),
        (0.5, 4.0, [Defect.OUTSIDE]),
        (2.5, 1.0, [Defect.OUTSIDE]),
    ],
)
def test_times_outside_the_recording(
    tmp_path: Path, start: float, duration: float, expected: list[Defect]
) -> None:
    found = manifest(Utterance(write_tone(tmp_path / "a.wav", 2.0), start, duration, "hello"))
    assert [defect for _, defect in defects(found)] == expected


def test_silence_and_clipping(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "mute.wav", np.zeros(16_000, np.float32), 16_000)
    soundfile.write(tmp_path / "loud.wav", np.clip(tone(1.0, level=3.0), -1, 1), 16_000)
    found = manifest(
        Utterance(tmp_path / "mute.wav", text="hello"), Utterance(tmp_path / "loud.wav", text="hello")
    )
    assert defects(found) == [(0, Defect.SILENT), (1, Defect.CLIPPED)]


def test_texts_that_are_empty_or_in_foreign_letters(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "a.wav", 20.0)
    texts = ["добрый день", "…", "привет c вами", "дом 5", None, "мой дом — моя крепость"]
    found = manifest(*(Utterance(path, start, 1.0, text) for start, text in enumerate(texts)))
    # A Latin "c" looks like the Russian one: only the alphabet tells.
    options = CheckOptions(frozenset("абвгдеёжзийклмнопрстуфхцчшщъыьэюя"))
    report = check_manifest(found, options)
    assert [(issue.index, issue.defect) for issue in report.issues] == [
        (1, Defect.EMPTY_TEXT),
        (2, Defect.FOREIGN),
        (3, Defect.FOREIGN),
        (4, Defect.EMPTY_TEXT),
    ]
    assert report.foreign == {"c": 1, "5": 1}


def test_the_alphabet_is_found_out(speech: Path) -> None:
    mboshi = read_manifest(speech / "mboshi" / "manifest.jsonl")
    letters = count_letters(one.text or "" for one in mboshi)
    assert "ω" in usual_alphabet(letters)  # Greek by Unicode, and a letter of Mboshi
    russian = count_letters(["мама мыла раму " * 100, "cтол 5"])
    assert "".join(sorted(usual_alphabet(russian))) == "алмортуы"


def test_too_short_for_ctc(tmp_path: Path) -> None:
    assert frames_needed("hello") == 6  # a blank between the two l
    path = write_tone(tmp_path / "a.wav", 0.2)
    found = manifest(Utterance(path, text="hello all of you"))
    assert defects(found) == [(0, Defect.TOO_SHORT)]
    assert defects(found, CheckOptions(frame_shift=0.01)) == []


def test_the_same_sound_twice(tmp_path: Path) -> None:
    write_tone(tmp_path / "a.wav", 1.0)
    shutil.copy(tmp_path / "a.wav", tmp_path / "b.wav")
    found = manifest(Utterance(tmp_path / "a.wav", text="one"), Utterance(tmp_path / "b.wav", text="two"))
    (issue,) = check_manifest(found).issues
    assert (issue.index, issue.defect) == (1, Defect.DUPLICATE)
    assert "another text" in issue.detail


def test_cleaning_leaves_out_what_cannot_be_used_and_mends_durations(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "a.wav", 2.0)
    found = manifest(
        Utterance(path, duration=9.0, text="one"),
        Utterance(tmp_path / "none.wav", text="two"),
        Utterance(write_tone(tmp_path / "b.wav", 1.0, pitch=330), text="three"),
    )
    kept = cleaned(found, check_manifest(found))
    assert [(one.text, one.duration) for one in kept] == [("one", 2.0), ("three", 1.0)]
    assert [one.text for one in cleaned(found, check_manifest(found), {Defect.DURATION})] == ["two", "three"]


def test_stretches_of_one_recording_are_measured_apart(tmp_path: Path) -> None:
    sound = np.concatenate([tone(1.0), np.zeros(16_000, np.float32), tone(1.0, pitch=500)])
    soundfile.write(tmp_path / "a.flac", sound, 16_000)
    found = manifest(*(Utterance(tmp_path / "a.flac", float(start), 1.0, "hello") for start in range(3)))
    assert defects(found) == [(1, Defect.SILENT)]


def test_real_speech_is_sound(speech: Path) -> None:
    whole = read_manifest(speech / "mboshi" / "manifest.jsonl")
    report = check_manifest(whole.kept(range(0, len(whole), 150)))
    assert report.counts[Defect.MISSING] == report.counts[Defect.DURATION] == 0
    assert report.foreign.total() < 30
