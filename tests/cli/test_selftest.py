from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from earshot.cli.selftest import load_phrases
from earshot.live.self_test import Phrase, run_internally
from earshot.transcription import TranscriptionOptions
from tests.cli.command import assert_one_line_error, earshot, earshot_process
from tests.live.virtual_microphone import VirtualMicrophone

OPTIONS = TranscriptionOptions(language="en", word_times=False)


def test_without_a_device_all_words_are_whole() -> None:
    result = earshot_process("selftest", "--loopback", "internal", "--phrases", "1")
    assert result.status == 0, result.output
    phrase, level, overruns, verdict = result.output.splitlines()
    assert re.fullmatch(r"phrase 1: first word whole, last word whole, delay \d+\.\d\d s", phrase)
    assert re.fullmatch(r"level: peak -\d+\.\d dBFS", level)
    assert overruns == "overruns: 0"
    assert verdict == "moonshine with no device: passed"


@pytest.mark.slow
def test_through_loudspeaker_and_microphone(virtual_microphone: VirtualMicrophone) -> None:
    result = earshot_process("selftest", environment=virtual_microphone.environment)
    assert result.status == 0, result.output
    assert result.output.count("first word whole, last word whole") == 4
    assert result.output.splitlines()[-1].endswith(": passed")


def test_words_that_are_cut_off_are_told() -> None:
    phrase = load_phrases()[3]
    # Without its first 0.7 s and its last 1.2 s: "we had" and "before us" are gone.
    clipped = Phrase(phrase.text, phrase.samples[11_200:-19_200])
    report = run_internally([clipped], OPTIONS)
    assert not report.phrases[0].has_first_word
    assert not report.phrases[0].has_last_word
    assert not report.is_passed


def test_a_microphone_that_gives_hardly_anything_fails() -> None:
    phrase = load_phrases()[0]
    report = run_internally([Phrase(phrase.text, phrase.samples * np.float32(0.003))], OPTIONS)
    assert report.loudest_dbfs < -60
    assert not report.is_passed


def test_an_engine_that_hears_something_else_fails() -> None:
    report = run_internally(load_phrases()[:1], TranscriptionOptions(engine="scripted", word_times=False))
    assert not report.is_passed
    assert report.phrases[0].delay is not None


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    assert_one_line_error(earshot("selftest", "--engine", "moonshin"), "'moonshine'")
    assert_one_line_error(earshot("selftest", "--loopback", "none"), "--loopback", status=2)
    result = earshot_process(
        "selftest", "--output-device", "glass", environment={"EARSHOT_HOME": str(tmp_path)}
    )
    assert result.status == 1
    assert re.search("there is no sound output|PortAudio", result.errors)
