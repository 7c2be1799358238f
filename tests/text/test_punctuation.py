from __future__ import annotations

import hashlib
import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.core.errors import ModelError, UnsupportedError
from earshot.core.types import Segment, Transcript, Word
from earshot.text import punctuation
from earshot.text.pauses import pause_between, pause_odds
from earshot.text.punctuation import IncrementalPunctuator, Punctuator, find_punctuator, languages, looks_bare
from earshot.text.punctuation_model import WINDOW, PunctuationModel, bare_form

MARKS = ("", ",", ".", "?", "!")
DATA = Path(punctuation.__file__).parent / "data" / "punctuation"

# Written for this test in the manner of everyday speech: neither is in any book.
ENGLISH = (
    "Yesterday I met my brother at the station. He was tired, and he did not want to talk. "
    "Where have you been? I asked him. He looked at me and said nothing."
)
RUSSIAN = (
    "Утром она встала рано и пошла на рынок. Там было много народу. "
    "Она купила хлеба и молока, а потом вернулась домой."
)


@pytest.fixture(scope="module")
def english() -> Punctuator:
    return Punctuator.load("en")


@pytest.fixture(scope="module")
def russian() -> Punctuator:
    return Punctuator.load("ru")


def bare(text: str) -> str:
    return " ".join(bare_form(token) for token in text.split())


def timed(text: str, *, start: float = 0.0, gap: float = 0.0, language: str | None = None) -> Segment:
    words = tuple(
        Word(token, start + 0.4 * i, start + 0.4 * (i + 1) - gap, 0.5, "engine")
        for i, token in enumerate(text.split())
    )
    return Segment(text, start, words[-1].end or 0.0, words, "A", language)


def ends(text: str) -> set[int]:
    """Indices of the words that end a sentence."""
    return {index for index, token in enumerate(text.split()) if token[-1] in ".?!"}


@pytest.mark.parametrize(("language", "text"), [("en", ENGLISH), ("ru", RUSSIAN)])
def test_sentences_end_where_they_do(language: str, text: str) -> None:
    found = Punctuator.load(language).punctuate_text(bare(text))
    assert len(ends(text) & ends(found)) >= len(ends(text)) - 1, found
    assert len(ends(found) - ends(text)) <= 1, found


def test_questions_and_names(english: Punctuator, russian: Punctuator) -> None:
    assert english.punctuate_text("where are you going").endswith("going?")
    assert english.punctuate_text("do you think that mister holmes will come to london").endswith("London?")
    assert "Holmes" in english.punctuate_text("i said that sherlock holmes was not at home")
    assert russian.punctuate_text("куда ты идешь") == "Куда ты идешь?"
    assert "Москвы" in russian.punctuate_text("он приехал из москвы вчера вечером")


def test_commas_before_russian_clauses(russian: Punctuator) -> None:
    assert russian.punctuate_text("я не знаю что делать").startswith("Я не знаю, что делать")


@pytest.mark.parametrize(
    ("bare_text", "written"),
    [
        ("i think i'm right and i'll go", {"I", "I'm", "I'll"}),
        ("we met mr smith on monday", {"Mr.", "Monday."}),
        ("the english and the french came to africa", {"English", "French", "Africa."}),
        ("he watched tv in the usa", {"TV", "USA."}),
        ("plan b was better", {"B"}),
    ],
)
def test_words_that_always_have_capitals(english: Punctuator, bare_text: str, written: set[str]) -> None:
    assert written <= set(english.punctuate_text(bare_text).replace(",", "").split())


@pytest.mark.parametrize(
    "token", ["www.example.org", "me@example.org", "setup.py", "/usr/bin", "#tag", "12:30", "3.5", "1,000"]
)
def test_addresses_and_numbers_stay_as_written(english: Punctuator, token: str) -> None:
    assert english.punctuate_text(f"{token} is what he wrote").split()[0].rstrip(",.?!") == token
    assert token in english.punctuate_text(f"he wrote to {token} yesterday")


def test_times_confidences_speaker_and_language_stay(english: Punctuator) -> None:
    segment = timed(bare(ENGLISH), language="en")
    written = english(segment)
    assert written != segment
    assert replace(written, text="", words=()) == replace(segment, text="", words=())
    assert [replace(word, text="") for word in written.words] == [
        replace(word, text="") for word in segment.words
    ]
    assert written.text == " ".join(word.text for word in written.words)
    assert english(segment) == written


anything = st.lists(
    st.one_of(
        st.sampled_from(
            ["i", "mr", "what", "mister", "holmes", "ё", "что", "don't", "london", "-", "[unk]", "♪", "50%"]
        ),
        st.text(st.characters(exclude_categories=("Zs", "Zl", "Zp", "Cc")), min_size=1, max_size=12),
    ),
    max_size=30,
)


def is_same_word(before: str, after: str) -> bool:
    """Whether nothing was added but a mark, and nothing changed but capitals."""
    return after[: len(before)].lower() == before.lower() and after[len(before) :] in {*MARKS, ".,", ".?"}


@given(tokens=anything, language=st.sampled_from(["en", "ru"]))
@settings(max_examples=150, deadline=None)
def test_only_marks_and_capitals_are_added(tokens: list[str], language: str) -> None:
    words = [Word(token, float(i), i + 0.5, 0.25, "engine") for i, token in enumerate(tokens)]
    punctuator = _loaded(language)
    written = punctuator.punctuate(words)
    assert len(written) == len(words)
    for before, after in zip(words, written, strict=True):
        assert replace(after, text=before.text) == before
        assert is_same_word(before.text, after.text), (before.text, after.text)
    assert punctuator.punctuate(words) == written
    assert punctuator.punctuate(written) == written


_punctuators: dict[str, Punctuator] = {}


def _loaded(language: str) -> Punctuator:
    if language not in _punctuators:
        _punctuators[language] = Punctuator.load(language)
    return _punctuators[language]


def test_nothing_and_next_to_nothing(english: Punctuator) -> None:
    assert english.punctuate([]) == ()
    assert english.punctuate_text("") == ""
    assert english.punctuate_text("- ♪ [] [unk] <noise> ...") == "- ♪ [] [unk] <noise> ..."
    assert english.punctuate_text("yes") in {"Yes.", "Yes!", "Yes?"}
    assert english(Segment("", 0, 1)) == Segment("", 0, 1)


def test_text_in_capitals_is_made_small(english: Punctuator) -> None:
    assert english.punctuate_text(bare(ENGLISH).upper()) == english.punctuate_text(bare(ENGLISH))


def test_marks_and_capitals_that_are_there_stay(english: Punctuator) -> None:
    written = english.punctuate_text("well, NASA said so? iPhone i said").split()
    assert (written[0], written[1].rstrip(","), written[3]) == ("Well,", "NASA", "so?")
    assert (written[4].rstrip(","), written[5]) == ("iPhone", "I")
    again = english.punctuate_text(ENGLISH).split()
    assert all(after.startswith(before) for before, after in zip(ENGLISH.split(), again, strict=True))


def test_punctuated_and_foreign_segments_stay_as_they_are(english: Punctuator) -> None:
    for segment in (
        timed(ENGLISH),
        timed("Hello there"),
        timed("wie geht es dir", language="de"),
        timed("你好 世界"),
    ):
        assert english(segment) == segment
        assert IncrementalPunctuator(english)(segment) == segment
    assert english(timed("how are you", language="en-GB")).text == "How are you?"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("how are you", True),
        ("I think I'm late", True),
        ("HOW ARE YOU", True),
        ("how are you 3.5 times", True),
        ("как дела", True),
        ("How are you", False),
        ("how are you?", False),
        ("well, yes", False),
        ("it is…", False),
        ("he met John there", False),
        ("", False),
        ("12 - 15", False),
        ("你好 世界", False),
    ],
)
def test_looks_bare(text: str, expected: bool) -> None:
    assert looks_bare(text) is expected


def test_a_segment_without_words_is_punctuated_by_its_text(english: Punctuator) -> None:
    assert english(Segment("where are you going", 0.0, 1.0)) == Segment("Where are you going?", 0.0, 1.0)


def test_other_languages_are_refused_with_what_there_is(english: Punctuator) -> None:
    with pytest.raises(UnsupportedError, match=r"'de'.*en, ru"):
        Punctuator.load("de")
    with pytest.raises(UnsupportedError):
        Punctuator.load("../en")
    assert languages() == {"en", "ru"}
    assert find_punctuator("de") is None
    assert find_punctuator(None) is None
    found = find_punctuator("en_US")
    assert found is not None
    assert found.language == english.language


def test_marks_that_are_not_wanted_are_not_written() -> None:
    text = bare(ENGLISH)
    stops = Punctuator.load("en", marks=".").punctuate_text(text)
    assert not set(stops) & set(",?!:;")
    assert len(ends(stops)) >= 3
    assert ":" not in Punctuator.load("en").punctuate_text(text)
    with pytest.raises(UnsupportedError, match="choose of"):
        Punctuator.load("en", marks=".*")


def test_a_text_of_any_length_is_read_in_windows(english: Punctuator) -> None:
    sentences = bare(ENGLISH).split()
    words = sentences * (12 * WINDOW // len(sentences))
    written = english.punctuate_text(" ".join(words)).split()
    assert [token.rstrip(",.?!").lower() for token in written] == words
    # Far from both ends every copy stands in the same context, and windows must not show.
    copies = [
        written[at : at + len(sentences)] for at in range(0, len(written) - len(sentences), len(sentences))
    ]
    inner = copies[2:-2]
    same = sum(
        first == second for one, other in pairwise(inner) for first, second in zip(one, other, strict=True)
    )
    assert same >= 0.97 * (len(inner) - 1) * len(sentences)


def test_a_transcript_is_punctuated_across_its_segments(english: Punctuator) -> None:
    cut = Transcript((timed("yesterday i met my"), timed("brother at the station", start=1.6)), "en", 3.2, "x")
    written = english.transcript(cut)
    first, second = written.segments
    assert not ends(first.text)
    assert second.text[0] == "b"
    assert ends(second.text) == {3}
    assert (written.language, written.duration, written.engine) == ("en", 3.2, "x")
    mixed = Transcript(
        (timed("Hello there."), timed("where are you going"), timed("Wie geht's?", language="de"))
    )
    assert [s.text for s in english.transcript(mixed).segments] == [
        "Hello there.",
        "Where are you going?",
        "Wie geht's?",
    ]
    assert english.transcript(Transcript()) == Transcript()


def test_a_pause_makes_a_sentence_end_likelier(english: Punctuator) -> None:
    text = "we waited in the garden the rain had stopped"
    words = list(timed(text).words)
    joint = 4  # behind "garden"
    late = [replace(word, start=word.start + 1.5, end=word.end + 1.5) for word in words[joint + 1 :]]  # type: ignore[operator]
    paused = english.punctuate([*words[: joint + 1], *late])
    assert paused[joint].text == "garden."
    assert paused[joint + 1].text == "The"
    odds = [sum(pause_odds(pause)) for pause in (0.0, 0.2, 0.4, 0.8, 3.0)]
    assert odds == sorted(odds)
    assert pause_odds(None) == pause_odds(math.nan) == (0.0, 0.0)


def test_guessed_broken_and_overlapping_times_say_nothing_wrong(english: Punctuator) -> None:
    known = Word("a", 0.0, 1.0, None, "engine")
    assert pause_between(known, Word("b", 1.5, 2.0, None, "engine")) == 0.5
    assert pause_between(known, Word("b", 0.5, 2.0, None, "engine")) == 0.0
    assert pause_between(known, Word("b", 5.0, 6.0, None, "interpolated")) is None
    assert pause_between(known, Word("b")) is None
    assert pause_between(known, Word("b", math.nan, math.nan, None, "engine")) is None
    broken = [Word(token, math.nan, math.inf, None, "engine") for token in ("where", "are", "you")]
    assert english.punctuate(broken)[-1].text == "you?"


class TestIncremental:
    def test_a_long_pause_ends_a_sentence_and_the_next_begins_with_a_capital(self, english: Punctuator) -> None:
        live = IncrementalPunctuator(english)
        assert ends(live(timed("we went to the"), pause=2.0).text) == {3}
        assert live(timed("shop", start=4.0), pause=2.0).text.startswith("Shop")

    def test_without_a_pause_an_open_phrase_stays_open(self, english: Punctuator) -> None:
        live = IncrementalPunctuator(english)
        assert not ends(live(timed("we went to the"), pause=0.05).text)
        assert live(timed("station yesterday", start=4.0), pause=2.0).text.startswith("station")

    def test_what_was_returned_does_not_depend_on_what_follows(self, english: Punctuator) -> None:
        utterances = [timed(text, start=10.0 * i) for i, text in enumerate(bare(ENGLISH).split(" he "))]
        live = IncrementalPunctuator(english)
        all_at_once = [live(utterance) for utterance in utterances]
        for count in range(1, len(utterances) + 1):
            again = IncrementalPunctuator(english)
            assert [again(utterance) for utterance in utterances[:count]] == all_at_once[:count]

    def test_a_preview_changes_nothing(self, english: Punctuator) -> None:
        live, other = IncrementalPunctuator(english), IncrementalPunctuator(english)
        assert live.preview(timed("where are you")).text.startswith("Where")
        live.preview(timed("something else entirely."))
        assert live(timed("where are you going")) == other(timed("where are you going"))

    def test_reset_begins_a_new_text(self, english: Punctuator) -> None:
        live = IncrementalPunctuator(english)
        live(timed("we went to the"), pause=0.0)
        live.reset()
        assert live(timed("station")).text.startswith("Station")

    def test_an_utterance_with_marks_of_its_own_is_context(self, english: Punctuator) -> None:
        live = IncrementalPunctuator(english)
        live(timed("We went to the"))
        assert live(timed("station", start=3.0)).text.startswith("station")


def test_the_cards_match_the_files_and_name_data_and_licence() -> None:
    for language in languages():
        folder = DATA / language
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        content = (folder / "model.onnx").read_bytes()
        assert card["files"]["model.onnx"] == {
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        assert "public domain" in card["licence"]
        assert card["training_data"]
        assert set(card["metrics"]["marks"]) == {"COMMA", "PERIOD", "QUESTION", "EXCLAMATION"}
    assert sum(file.stat().st_size for file in DATA.rglob("*")) < 5e6


def test_damaged_models_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no card\.json"):
        Punctuator.load(folder=tmp_path)
    for damage in ("{", "[]", "null", '{"language": 3}', "\xff", "[" * 100_000):
        (tmp_path / "card.json").write_text(damage, encoding="latin-1")
        with pytest.raises(ModelError, match="no card of a punctuation model"):
            PunctuationModel(tmp_path)
    shutil.copy(DATA / "en" / "card.json", tmp_path)
    with pytest.raises(ModelError, match="cannot be read"):
        PunctuationModel(tmp_path)
    content = bytearray((DATA / "en" / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(ModelError, match="damaged"):
        PunctuationModel(tmp_path)
    for other in (b"", b"no onnx at all"):
        (tmp_path / "model.onnx").write_bytes(other)
        _sign(tmp_path)
        with pytest.raises(ModelError, match="no ONNX model"):
            PunctuationModel(tmp_path)


def _sign(folder: Path) -> None:
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    content = (folder / "model.onnx").read_bytes()
    card["files"]["model.onnx"] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")


def test_nothing_heavy_is_loaded() -> None:
    code = (
        "import sys; from earshot.text.punctuation import Punctuator;"
        "assert 'onnxruntime' not in sys.modules;"
        "print(Punctuator.load('en').punctuate_text('where are you'));"
        "assert not {'torch', 'onnx', 'transformers'} & set(sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stdout) == (0, "Where are you?\n"), run.stderr
