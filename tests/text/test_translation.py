"""Translation through real back ends: Apertium where it is installed, CTranslate2 on tiny models."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earshot.core.errors import EngineError, MissingExtraError, ModelError, UnsupportedError
from earshot.core.types import Final, Partial, Segment, SpeechEnded, Transcript, Word
from earshot.text.apertium_packages import PACKAGES, language_code, language_names
from earshot.text.translation import (
    LanguagePair,
    LiveTranslation,
    Translator,
    find_translator,
    installed_pairs,
    translate_segments,
    translate_transcript,
)
from earshot.text.translation_apertium import ApertiumTranslator
from earshot.text.translation_ctranslate2 import CTranslate2Translator
from tests.text.tiny_translation import as_argos, make_m2m, make_opus, need_converter, reference

WHAT_INSTALLS = "Apertium's English–Spanish pair is not installed: apt install apertium apertium-eng-spa"


@pytest.fixture(scope="module")
def spanish() -> Iterator[Translator]:
    if LanguagePair("en", "es") not in installed_pairs():
        pytest.skip(WHAT_INSTALLS)
    with find_translator("en", "es") as translator:
        yield translator


def programs_below(process: int) -> set[int]:
    """The ids of Apertium's running programs that a process has started."""
    listed = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,comm="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    return {
        int(pid)
        for pid, parent, name in rows
        if int(parent) == process and name.startswith(("lt-proc", "lrx-proc", "apertium"))
    }


# --- Apertium -----------------------------------------------------------------------------------------------


def test_english_becomes_spanish(spanish: Translator) -> None:
    assert spanish.name == "apertium/eng-spa"
    assert (spanish.source, spanish.target) == ("en", "es")
    assert spanish.translate("The house is red.") == "La casa es roja."
    assert spanish.translate("The house is red") == "La casa es roja"
    assert spanish.translate("Where is the dog? The dog is small!") == "Dónde es el perro? El perro es pequeño!"


def test_unknown_words_stay_without_marks(spanish: Translator) -> None:
    assert spanish.translate("The blorfgh is red.") == "El blorfgh es rojo."
    assert "*" not in spanish.translate("Earshot and Zyxolo and Qwrt like houses.")


def test_lines_stay_lines(spanish: Translator) -> None:
    assert spanish.translate("The house.\n\nThe dog.\n") == "La casa.\n\nEl perro.\n"


def test_a_sentence_does_not_depend_on_those_before(spanish: Translator) -> None:
    first = spanish.translate("The house is red.")
    spanish.translate("^ $ [ unfinished")
    spanish.translate("no end here and")
    assert spanish.translate("The house is red.") == first


@pytest.mark.parametrize(
    "text",
    [
        "[b] ^c$ {d} <e> @ / \\ * # + - _ = | & ; ' \" ! ? ( ) % ~ `",
        "[[t:b:123]] [<STREAMCMD:SETVAR:x>] []",
        "^house/casa<n><f><sg>$",
        "\\[ \\\\ \\^ \\0",
        "~ ~~~ ~x",
    ],
)
def test_the_signs_of_the_stream_format_are_only_text(spanish: Translator, text: str) -> None:
    signs = [sign for sign in text if not sign.isalnum() and not sign.isspace()]
    translated = spanish.translate(f"The dog {text} is small.")
    found = [sign for sign in translated if not sign.isalnum() and not sign.isspace()]
    assert found == [*signs, "."]
    assert "perro" in translated


def test_no_shell_sees_the_text(spanish: Translator, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    for text in (
        f"$(touch {witness})",
        f"`touch {witness}`",
        f"'; touch {witness}; '",
        f"a | touch {witness} & b",
    ):
        spanish.translate(text)
        spanish.translate(f"The house {text} is red.")
    assert not witness.exists()


def test_emoji_and_other_scripts_pass_through(spanish: Translator) -> None:
    for sign in ("😀", "👨‍👩‍👧", "你好", "привет", "e\u0301", "שלום", "\u202e"):
        assert sign.replace("e\u0301", "é") in spanish.translate(f"The house {sign} is red."), sign


@pytest.mark.parametrize("text", ["", " ", "\n", "...", "?!", "\t \t", "😀"])
def test_nothing_to_translate_stays(spanish: Translator, text: str) -> None:
    assert spanish.translate(text).split() == text.split()


def test_controls_and_broken_characters_do_no_harm(spanish: Translator) -> None:
    assert spanish.translate("The\0 house\x1b is\ud800 red.").startswith("La casa")
    assert spanish.translate("The house is red.") == "La casa es roja."


@given(text=st.text(max_size=120))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_gets_an_answer_and_the_next_sentence_its_own(spanish: Translator, text: str) -> None:
    assert spanish.translate(text).count("\n") == text.count("\n")
    assert spanish.translate("The house is red.") == "La casa es roja."


def test_long_text_is_translated_to_its_end(spanish: Translator) -> None:
    translated = spanish.translate("The house is red. " * 500 + "X" * 20_000 + " the dog.")
    assert translated.count("La casa es roja.") == 500
    assert translated.endswith("El perro.")


@pytest.mark.slow
def test_a_megabyte_is_translated(spanish: Translator) -> None:
    translated = spanish.translate("The house is red. " * 55_600)
    assert translated.count("La casa es roja.") == 55_600


def test_killed_programs_are_started_again(spanish: Translator) -> None:
    spanish.translate("The house.")
    before = programs_below(os.getpid())
    assert len(before) > 5
    for process in sorted(before)[:3]:
        os.kill(process, signal.SIGKILL)
    assert spanish.translate("The house is red.") == "La casa es roja."
    assert programs_below(os.getpid()).isdisjoint(before)


def test_a_chain_that_hangs_is_replaced(spanish: Translator) -> None:
    assert spanish.name  # Apertium is here
    before = programs_below(os.getpid())
    with ApertiumTranslator("en", "es", timeout=3.0) as other:
        assert other.translate("The house.") == "La casa."
        own = programs_below(os.getpid()) - before
        assert len(own) > 5
        for process in own:
            os.kill(process, signal.SIGSTOP)
        assert other.translate("The dog.") == "El perro."
        assert programs_below(os.getpid()).isdisjoint(own)


def test_a_sentence_that_never_comes_back_is_told(spanish: Translator) -> None:
    assert spanish.name
    with (
        ApertiumTranslator("en", "es", timeout=0.0) as other,
        pytest.raises(EngineError, match=r"'The house\.'.*too long"),
    ):
        other.translate("The house.")


def test_closing_ends_the_programs(spanish: Translator) -> None:
    spanish.translate("The house.")
    before = programs_below(os.getpid())
    other = find_translator("es", "en")
    assert other.translate("La casa es roja.") == "The house is red."
    assert len(programs_below(os.getpid())) > len(before)
    other.close()
    other.close()
    assert programs_below(os.getpid()) == before
    with pytest.raises(EngineError, match="closed"):
        other.translate("La casa.")


def test_no_program_outlives_a_killed_session(spanish: Translator, tmp_path: Path) -> None:
    assert spanish.name
    script = tmp_path / "session.py"
    script.write_text(
        "import sys, time\n"
        "from earshot.text.translation import find_translator\n"
        "translator = find_translator('en', 'es')\n"
        "print(translator.translate('The house.'), flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as session:
        assert session.stdout is not None
        assert session.stdout.readline() == "La casa.\n"
        programs = programs_below(session.pid)
        assert programs
        session.kill()
    ended = threading.Event()
    for _ in range(100):
        alive = {process for process in programs if Path(f"/proc/{process}").exists()}
        if not alive or not Path("/proc").exists():
            break
        ended.wait(0.1)
    assert not alive


def test_threads_share_a_translator(spanish: Translator) -> None:
    answers: dict[int, str] = {}

    def work(number: int) -> None:
        for _ in range(20):
            answers[number] = spanish.translate(f"I see {number} red houses.")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2, 8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: f"Veo {number} casas rojas." for number in range(2, 8)}


def test_translating_opens_no_socket(spanish: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert spanish.translate("The dog is small.") == "El perro es pequeño."


def test_subtitles_keep_their_times_and_sentences_come_together(spanish: Translator) -> None:
    cues = (
        Segment("The house", 0, 1, speaker="Anna"),
        Segment("is red. The dog is small.", 1, 3, speaker="Anna"),
    )
    translated = translate_transcript(spanish, Transcript(cues, "en", 3.0, "some engine"))
    assert [segment.text for segment in translated.segments] == ["La casa es roja.", "El perro es pequeño."]
    assert (translated.language, translated.duration) == ("es", 3.0)
    assert translated.segments[0].start == 0
    assert translated.segments[-1].end == pytest.approx(3)
    assert {segment.speaker for segment in translated.segments} == {"Anna"}
    one_by_one = translate_segments(spanish, cues)
    assert [(segment.start, segment.end) for segment in one_by_one] == [(0, 1), (1, 3)]


# --- which pairs there are ------------------------------------------------------------------------------------


def test_a_missing_pair_names_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("earshot.text.translation_apertium._FOLDERS", ())
    monkeypatch.setenv("APERTIUM_DATADIR", str(tmp_path))
    with pytest.raises(MissingExtraError, match="apt install apertium-eng-spa"):
        find_translator("en", "es")
    with pytest.raises(MissingExtraError, match="apt install apertium-rus-ukr"):
        find_translator("ru-RU", "uk")
    assert installed_pairs() == ()


def test_missing_programs_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "modes").mkdir()
    (tmp_path / "modes" / "eng-spa.mode").write_text("lt-proc x")
    monkeypatch.setenv("APERTIUM_DATADIR", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingExtraError, match="apt install apertium apertium-eng-spa"):
        find_translator("en", "es")
    assert installed_pairs() == ()


@pytest.mark.parametrize(
    "pair", [("en", "ja"), ("xx", "yy"), ("../../etc", "passwd"), ("", ""), ("en", "e s"), ("en", "en")]
)
def test_pairs_that_nobody_has_are_refused(pair: tuple[str, str]) -> None:
    with pytest.raises(UnsupportedError, match="no pair"):
        find_translator(*pair)


def test_what_a_language_does_go_to_is_told() -> None:
    with pytest.raises(UnsupportedError, match=r"from en it goes to .*\bca\b.*\bes\b"):
        find_translator("en", "ja")


@pytest.mark.parametrize(
    "line",
    [
        "sh -c 'touch witness'",
        "lt-proc x; touch witness",
        "lt-proc 'x",
        "",
        "lt-proc x | $(touch witness)",
        "/bin/lt-proc x",
    ],
)
def test_a_mode_starts_nothing_but_apertium(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("lt-proc") is None:
        pytest.skip(WHAT_INSTALLS)
    (tmp_path / "modes").mkdir()
    (tmp_path / "modes" / "eng-spa.mode").write_text(line)
    monkeypatch.setenv("APERTIUM_DATADIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises((UnsupportedError, EngineError)), find_translator("en", "es") as translator:
        translator.translate("The house.")
    assert not (tmp_path / "witness").exists()


def test_names_of_languages() -> None:
    assert language_names("en") == language_names("eng") == language_names("EN-GB")[2:] == ("eng", "en")
    assert language_names("pt-BR")[:2] == ("por_BR", "pt_BR")
    assert language_code("eng") == "en"
    assert language_code("hbs_SR") == "sr"
    assert language_code("tlh") == "tlh"
    assert all(len(mode.split("-")) == 2 for mode in PACKAGES)


# --- live -----------------------------------------------------------------------------------------------------


class Shouting:
    """A translator into capitals, for what does not depend on the language."""

    name = "shouting"
    source, target = "en", "en-SHOUT"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def translate(self, text: str) -> str:
        self.asked.append(text)
        if "fail" in text:
            raise EngineError("it failed", fix="try again")
        return text.upper()

    def close(self) -> None:
        pass

    def __enter__(self) -> Shouting:
        return self

    def __exit__(self, *exception: object) -> None:
        pass


def timed(text: str) -> tuple[Word, ...]:
    return tuple(Word(word, at, at + 0.5, None, "engine") for at, word in enumerate(text.split()))


def test_finals_are_translated_in_order_by_sentence() -> None:
    live = LiveTranslation(Shouting())
    text = "Hello there. How are you?"
    found = live.accept(Final(Segment(text, 0.0, 5.0, timed(text), "Anna")))
    assert [sentence.text for sentence in found] == ["HELLO THERE.", "HOW ARE YOU?"]
    assert [(sentence.source.start, sentence.source.end) for sentence in found] == [(0.0, 1.5), (2.0, 4.5)]
    segment = found[1].segment
    assert segment is not None
    assert (segment.text, segment.language, segment.speaker) == ("HOW ARE YOU?", "en-SHOUT", "Anna")
    assert live.accept(SpeechEnded(5.0)) == []
    assert live.accept(Final(Segment("  ", 5.0, 6.0))) == []


def test_stable_sentences_of_a_partial_come_early_and_only_once() -> None:
    live = LiveTranslation(Shouting())
    steps = ["Hello", "Hello there. How", "Hello there. How are", "Hello there. How are you? I"]
    found = []
    for step in steps:
        found += live.accept(Partial(Segment(step, 0.0, 3.0), len(step.split())))
    assert [sentence.text for sentence in found] == ["HELLO THERE.", "HOW ARE YOU?"]
    last = live.accept(Final(Segment("Hello there. How are you? I am well.", 0.0, 4.0)))
    assert [sentence.text for sentence in last] == ["I AM WELL."]
    assert live.accept(Final(Segment("Next one.", 5.0, 6.0)))[0].text == "NEXT ONE."


def test_what_may_still_change_is_not_translated() -> None:
    translator = Shouting()
    live = LiveTranslation(translator)
    assert live.accept(Partial(Segment("Hello there. How are you. I", 0, 3), num_stable=2)) == []
    assert live.accept(Partial(Segment("Hello there. How are you. I", 0, 3), num_stable=0)) == []
    assert translator.asked == []
    quiet = LiveTranslation(translator, follows_partials=False)
    assert quiet.accept(Partial(Segment("Hello there. How", 0, 3), num_stable=3)) == []


@given(
    st.lists(st.sampled_from(["Yes.", "no", "Go", "home?", "now,", "Mr.", "I"]), min_size=1, max_size=20),
    st.data(),
)
def test_every_word_is_translated_exactly_once(words: list[str], data: st.DataObject) -> None:
    live = LiveTranslation(Shouting())
    text = " ".join(words)
    found = []
    for end in sorted(data.draw(st.lists(st.integers(0, len(words)), max_size=5))):
        found += live.accept(Partial(Segment(" ".join(words[: end + 1]), 0, 1), end))
    found += live.accept(Final(Segment(text, 0, 2)))
    assert " ".join(sentence.text or "" for sentence in found) == text.upper()
    assert all(0 <= sentence.source.start <= sentence.source.end <= 2 for sentence in found)


def test_a_failure_costs_its_sentence_alone() -> None:
    live = LiveTranslation(Shouting())
    found = live.accept(Final(Segment("Good. This will fail. Good again.", 0, 3)))
    assert [sentence.text for sentence in found] == ["GOOD.", None, "GOOD AGAIN."]
    assert found[1].problem == "it failed: try again"
    assert found[1].segment is None


def test_repeated_sentences_are_remembered() -> None:
    translator = Shouting()
    live = LiveTranslation(translator)
    for _ in range(3):
        assert live.accept(Final(Segment("Okay.", 0, 1)))[0].text == "OKAY."
    assert translator.asked == ["Okay."]


def test_live_through_apertium(spanish: Translator) -> None:
    live = LiveTranslation(spanish)
    found = live.accept(Final(Segment("The house is red. The dog is small.", 0, 4)))
    assert [sentence.text for sentence in found] == ["La casa es roja.", "El perro es pequeño."]


# --- CTranslate2 ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def opus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_converter()
    return make_opus(tmp_path_factory.mktemp("opus"))


def greedy(model: Path, source: str = "en", target: str = "es") -> CTranslate2Translator:
    """Without a beam, so that two implementations can be compared."""
    return CTranslate2Translator(model, source, target, beam_size=1)


TEXTS = ["the house is red", "where is the station", "we meet on monday"]


def test_opus_gives_what_the_original_gives(opus: Path) -> None:
    with greedy(opus) as translator:
        assert translator.name == "ctranslate2/opus-mt-en-es"
        found = [translator.translate(text) for text in TEXTS]
    assert found == [reference(opus.parent / "checkpoint", text) for text in TEXTS]
    assert len(set(found)) == 3


def test_lines_empty_text_and_batches(opus: Path) -> None:
    with find_translator("en", "es", model=str(opus)) as translator:
        one = translator.translate("the house")
        assert translator.translate("") == ""
        assert translator.translate("\n the house \n\n") == f"\n{one}\n\n"
        assert translator.translate("\n".join(["the house"] * 35)) == "\n".join([one] * 35)
        assert len(translator.translate("a" * 2_000)) > 0
        for text in ("😀", "</s>", "<unk> <pad>", "\0", ">>fra<< the house"):
            assert "\n" not in translator.translate(text)
        translator.close()
        with pytest.raises(EngineError, match="closed"):
            translator.translate("the house")


def test_argos_packages(opus: Path, tmp_path: Path) -> None:
    package = as_argos(opus, tmp_path)
    with greedy(package) as translator:
        assert translator.translate(TEXTS[0]) == reference(opus.parent / "checkpoint", TEXTS[0])
    with pytest.raises(ModelError, match="from en to es, not from en to fr"):
        find_translator("en", "fr", model=package)


def test_models_with_several_targets(tmp_path: Path) -> None:
    need_converter()
    model = make_opus(tmp_path, marks=(">>spa<<", ">>fra<<"))
    with (
        greedy(model, "en", "es") as to_spanish,
        greedy(model, "en", "fr") as to_french,
    ):
        for translator, mark in ((to_spanish, ">>spa<<"), (to_french, ">>fra<<")):
            assert translator.translate(TEXTS[0]) == reference(tmp_path / "checkpoint", f"{mark} {TEXTS[0]}")
    with pytest.raises(ModelError, match=r"does not know the language de: .*fra"):
        find_translator("en", "de", model=model)


def test_any_to_any_models(tmp_path: Path) -> None:
    need_converter()
    model = make_m2m(tmp_path)
    for source, target in (("en", "es"), ("es", "ru"), ("de", "fr")):
        with greedy(model, source, target) as translator:
            expected = reference(tmp_path / "checkpoint", TEXTS[0], source=source, target=target)
            assert translator.translate(TEXTS[0]) == expected
    with pytest.raises(ModelError, match="does not know the language tlh"):
        find_translator("en", "tlh", model=model)


def copied(opus: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(opus, tmp_path / "model"))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("model.bin", None, "no model.bin"),
        ("model.bin", b"", "cannot be loaded"),
        ("model.bin", b"\x06\0\0\0nonsense", "cannot be loaded"),
        ("source.spm", None, "no SentencePiece"),
        ("source.spm", b"nonsense", "no SentencePiece"),
        ("source.spm", b"", "no SentencePiece"),
        ("config.json", b"{", "no JSON"),
        ("config.json", b"[" * 100_000, "no JSON"),
        ("shared_vocabulary.json", b"\xff\xfe", "no JSON"),
        ("shared_vocabulary.json", b"[]", "lacks its vocabulary"),
        ("metadata.json", b"nonsense", "no JSON"),
    ],
)
def test_broken_models_are_told(
    opus: Path, tmp_path: Path, name: str, content: bytes | None, told: str
) -> None:
    model = copied(opus, tmp_path)
    if content is None:
        (model / name).unlink()
    else:
        (model / name).write_bytes(content)
    with pytest.raises(ModelError, match=told):
        find_translator("en", "es", model=model)


def test_a_cut_model_is_told(opus: Path, tmp_path: Path) -> None:
    model = copied(opus, tmp_path)
    whole = (model / "model.bin").read_bytes()
    for length in (10, 100, len(whole) // 2, len(whole) - 1):
        (model / "model.bin").write_bytes(whole[:length])
        with pytest.raises(ModelError, match="cannot be loaded"):
            find_translator("en", "es", model=model)


def test_no_folder_and_word_cutting_of_another_kind_are_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no folder"):
        find_translator("en", "es", model=tmp_path / "nowhere")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.bin").touch()
    (tmp_path / "bpe.model").touch()
    with pytest.raises(UnsupportedError, match="BPE"):
        find_translator("en", "es", model=tmp_path)
