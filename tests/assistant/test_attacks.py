"""Words that mean harm do none: every attack is carried out for real in a temporary home."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.assistant.attacking import Range, harm, shooting_range
from tests.assistant.attacks import HARMLESS, REPLAYED, Attack, attacks

pytestmark = pytest.mark.skipif(
    "sys.platform == 'win32'", reason="programs that record their argv are shell scripts"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Range]:
    with shooting_range(tmp_path_factory.mktemp("attacks")) as made:
        yield made


def test_there_are_many_and_all_differ() -> None:
    everything = list(attacks())
    assert len(set(everything)) == len(everything) >= 300


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted({attack.family for attack in attacks()}))
def test_no_attack_does_harm(place: Range, family: str) -> None:
    done: Counter[str] = Counter()
    for attack in (one for one in attacks() if one.family == family):
        outcome = place.attack(attack)
        assert harm(place, attack) == [], (attack, outcome)
        done[outcome.status if outcome else "no order"] += 1
    print(family, dict(done))


def test_harmless_words_are_obeyed(place: Range) -> None:
    for action, texts in HARMLESS.items():
        for text in texts:
            attack = Attack("harmless", action, text.replace("{", "{{").replace("}", "}}"))
            outcome = place.attack(attack)
            assert outcome is not None
            assert outcome.status == "done", (action, text, outcome)
            assert harm(place, attack) == [], (action, text)


def test_harm_would_be_seen(place: Range) -> None:
    """The judge of all tests above is awake."""
    attack = Attack("shell", "Run", "blue moon")
    environment = {"PATH": str(place.folder / "bin")}
    deeds: list[tuple[str, Callable[[], object]]] = [
        ("canary was changed", lambda: (place.folder / "canary").touch()),
        ("secret.txt was changed", lambda: (place.folder / "secret.txt").write_text("other")),
        ("'touch', 'x'] ran", lambda: subprocess.run(["touch", "x"], env=environment, check=True)),
        ("'blue', 'moon'", lambda: subprocess.run(["tool", "blue", "moon"], env=environment, check=True)),
        ("enter was pressed", lambda: place.screen.press("enter")),
        ("was typed", lambda: place.screen.type_text("ls\n")),
    ]
    for words, deed in deeds:
        deed()
        assert any(words in line for line in harm(place, attack)), words
    (place.folder / "canary").unlink()
    (place.folder / "secret.txt").write_text("secret")
    place.before = place.state()


def test_every_attack_is_in_the_log(place: Range) -> None:
    log = place.folder / "home" / "allowed" / "log.jsonl"
    before = log.read_text(encoding="utf-8").count("\n") if log.exists() else 0
    place.attack(Attack("shell", "Run", "; rm -rf ~"))
    lines = log.read_text(encoding="utf-8").splitlines()
    assert len(lines) == before + 1
    assert json.loads(lines[-1])["argv"] == ["tool", "fixed", "; rm -rf ~", "last"]


@pytest.mark.parametrize("text", REPLAYED)
def test_what_the_assistant_says_is_no_order(place: Range, text: str) -> None:
    assert place.grammar.match(text) is None
