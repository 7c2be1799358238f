"""Replies aloud, tones, and what is left of them where something is missing."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from earshot.assistant.playback import Player
from earshot.assistant.sounds import ring, tone
from earshot.assistant.speaking import EspeakVoice, Mouth, PiperVoice, find_voice
from earshot.core.errors import ActionError
from tests.assistant.voices import player_of, spoken


def until(condition: object) -> None:
    deadline = time.monotonic() + 30
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def player_that(folder: Path, script: str) -> Player:
    """All players of the system are this script."""
    programs = folder / "programs"
    programs.mkdir()
    for name in ("paplay", "pw-cat", "aplay"):
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    return Player({**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"})


@pytest.mark.parametrize(("language", "text"), [("en", "It is done."), ("ru", "Готово."), ("pt-br", "Pronto.")])
def test_texts_of_any_language_are_spoken(language: str, text: str) -> None:
    spoken("is espeak-ng there")
    samples, rate = EspeakVoice(language).speech(text)
    assert 0.3 < len(samples) / rate < 3
    assert np.abs(samples).max() > 0.05


@pytest.mark.parametrize("text", ["-f /etc/hostname", "--version", "<speak>x</speak>", "$(touch x) `id`", "…"])
def test_a_text_is_never_an_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    spoken("is espeak-ng there")
    monkeypatch.chdir(tmp_path)
    samples, _ = EspeakVoice("en").speech(text)
    assert len(samples)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("language", ["", "en; rm -rf", "--help", "../en", "a" * 50])
def test_a_language_is_a_code(language: str) -> None:
    with pytest.raises(ActionError, match="no language code"):
        EspeakVoice(language)


def test_a_missing_program_names_its_package() -> None:
    with pytest.raises(ActionError, match="apt install espeak-ng"):
        find_voice("en", environment={"PATH": "/nowhere"})
    with pytest.raises(ActionError, match="pip install piper-tts"):
        find_voice("en", piper=Path("x.onnx"), environment={"PATH": "/nowhere"})


def test_what_is_no_piper_voice_is_told(tmp_path: Path) -> None:
    for content in ("", "{}", "[1]", '{"audio": {}}'):
        (tmp_path / "voice.onnx.json").write_text(content)
        with pytest.raises(ActionError, match="no Piper voice"):
            PiperVoice(tmp_path / "voice.onnx")


def test_piper_is_given_the_text_and_gives_pcm(tmp_path: Path) -> None:
    (tmp_path / "voice.onnx.json").write_text('{"audio": {"sample_rate": 22050}}')
    program = tmp_path / "piper"
    program.write_text('#!/bin/sh\n[ "$1" = --model ] || exit 1\nexec cat\n')
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    samples, rate = find_voice("en", piper=tmp_path / "voice.onnx", environment=environment).speech("ab")
    assert rate == 22_050
    assert len(samples) == 1  # three bytes: a sample and a half


def test_a_player_gets_the_sound_as_pcm(tmp_path: Path) -> None:
    player = player_that(tmp_path, f'cat > "{tmp_path}/heard"')
    assert player.play(tone("done"), 16_000)
    assert (tmp_path / "heard").stat().st_size == 2 * len(tone("done"))


def test_where_nothing_plays_it_is_silent(tmp_path: Path) -> None:
    player = player_that(tmp_path, "exit 1")
    assert player.play(tone("done"), 16_000) == (not player.is_silent)


def test_it_can_be_interrupted_and_what_waits_is_forgotten(tmp_path: Path) -> None:
    mouth = Mouth(Player(player_of(tmp_path, 600)), EspeakVoice("en"))
    spoken("is espeak-ng there")
    mouth.say("a very long story")
    mouth.say("and another one")
    until(lambda: mouth.said)
    assert mouth.echo_until > time.monotonic()
    mouth.stop()
    until(lambda: not mouth.is_busy)
    assert mouth.said == ("a very long story",)
    assert mouth.echo_until < time.monotonic()
    mouth.close()


def test_a_voice_that_fails_is_told_once_and_the_rest_is_shown(tmp_path: Path) -> None:
    program = tmp_path / "espeak-ng"
    program.write_text("#!/bin/sh\necho no voice of that name >&2\nexit 1\n")
    program.chmod(0o755)
    told: list[str] = []
    voice = EspeakVoice("en", {**os.environ, "PATH": str(tmp_path)})
    mouth = Mouth(Player(player_of(tmp_path, 0)), voice, warn=told.append)
    mouth.say("one")
    mouth.say("two")
    mouth.finish()
    mouth.close()
    assert len(told) == 1
    assert "no voice of that name" in told[0]
    assert not mouth.can_speak


def test_finishing_waits_for_all_that_was_said(tmp_path: Path) -> None:
    mouth = Mouth(Player(player_of(tmp_path, 0)), None)
    for _ in range(3):
        mouth.play(tone("listening"))
    waiting = threading.Thread(target=mouth.finish)
    waiting.start()
    waiting.join(30)
    assert not waiting.is_alive()
    assert not mouth.is_busy
    mouth.close()


def test_tones_are_short_soft_and_tell_apart() -> None:
    sounds = [tone("listening"), tone("done"), tone("refused"), ring()]
    assert all(len(sound) < 16_000 and 0.05 < np.abs(sound).max() < 0.2 for sound in sounds)
    assert all(abs(sound[0]) < 0.01 and abs(sound[-1]) < 0.01 for sound in sounds)
    assert len({sound.tobytes() for sound in sounds}) == 4
