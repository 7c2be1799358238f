from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from earshot.core.errors import EngineError, ModelError, UnsupportedError
from earshot.core.types import Audio, Final, Grammar, Word
from earshot.engines import EngineOptions, Recognizer, load_engine
from earshot.engines.alignment import wheel_models
from tests.conftest import Clip
from tests.engines.conformance import Conformance, check_transcript, finals_of, run_stream

OPENING = Grammar(("it was the best of times", "it was the worst of times", "it was the age of wisdom"))
"""Phrases of which the sample's first seconds hold the first two."""


@pytest.fixture(scope="module")
def pocketsphinx() -> Recognizer:
    return load_engine("pocketsphinx")


@pytest.fixture(scope="module")
def best(sample: Audio) -> Audio:
    """ "It was the best of times"."""
    return Audio(sample.samples[: round(2.9 * 16_000)])


class TestPocketSphinx(Conformance):
    @pytest.fixture(scope="class")
    @classmethod
    def recognizer(cls, pocketsphinx: Recognizer) -> Recognizer:
        return pocketsphinx


def said(recognizer: Recognizer, audio: Audio, grammar: Grammar) -> str:
    return recognizer.transcribe_batch([audio], grammar=grammar)[0].text


def jsgf(rules: str) -> Grammar:
    return Grammar(jsgf=f"#JSGF V1.0;\ngrammar test;\n{rules}\n")


def test_phrases_are_told_apart(pocketsphinx: Recognizer, best: Audio) -> None:
    (transcript,) = pocketsphinx.transcribe_batch([best], grammar=OPENING)
    check_transcript(transcript, best.duration)
    assert transcript.text == "it was the best of times"
    assert all(word.time_source == "engine" for word in transcript.words)
    assert all(word.confidence is not None for word in transcript.words)


def test_a_stream_hears_the_phrases_of_a_grammar(pocketsphinx: Recognizer, best: Audio) -> None:
    with pocketsphinx.stream(grammar=OPENING) as stream:
        events = [*stream.accept(best.samples), *stream.accept(np.zeros(16_000, np.float32)), *stream.finish()]
    assert [segment.text for segment in finals_of(events)] == ["it was the best of times"]


def test_jsgf_rules_alternatives_and_repetition(pocketsphinx: Recognizer, best: Audio) -> None:
    grammar = jsgf("public <start> = it was [the] <which>+ of (times | wisdom);\n<which> = best | worst {bad};")
    assert said(pocketsphinx, best, grammar) == "it was the best of times"


def test_words_come_back_as_they_were_written(pocketsphinx: Recognizer, best: Audio) -> None:
    grammar = Grammar(("It was the BEST of Times", "It was the WORST of Times"))
    assert said(pocketsphinx, best, grammar) == "It was the BEST of Times"


def test_words_outside_the_dictionary_are_pronounced_by_rule(pocketsphinx: Recognizer, best: Audio) -> None:
    assert (
        said(pocketsphinx, best, Grammar(("it wuzz the besst of tymes", "no"))) == "it wuzz the besst of tymes"
    )


def test_a_figure_is_heard(pocketsphinx: Recognizer, speech: Path) -> None:
    from earshot.audio.decode import read_audio

    audio = read_audio(speech / "speech_commands" / sorted((speech / "speech_commands").glob("zero/*"))[3])
    assert said(pocketsphinx, audio, Grammar(("0", "200", "1859"))) == "0"


def test_two_grammars_do_not_mix(pocketsphinx: Recognizer, best: Audio) -> None:
    others = Grammar(("it was the worst of times", "good morning"))
    assert said(pocketsphinx, best, OPENING) == "it was the best of times"
    assert said(pocketsphinx, best, others) == "it was the worst of times"
    assert said(pocketsphinx, best, OPENING) == "it was the best of times"
    with pocketsphinx.stream(grammar=others) as one, pocketsphinx.stream(grammar=OPENING) as other:
        ends = np.zeros(16_000, np.float32)
        events = [[*s.accept(best.samples), *s.accept(ends), *s.finish()] for s in (one, other)]
    assert [[e.segment.text for e in found if isinstance(e, Final)] for found in events] == [
        ["it was the worst of times"],
        ["it was the best of times"],
    ]


def test_speech_outside_a_grammar_is_unknown_where_allowed(pocketsphinx: Recognizer, sample: Audio) -> None:
    commands = ("turn the light on", "turn the light off", "good night")
    allowed = Grammar(commands, allows_unknown=True)
    audio = Audio(sample.samples[: 16_000 * 5])
    assert said(pocketsphinx, audio, allowed) == "[unk]"
    assert said(pocketsphinx, audio, Grammar((*commands, "[unk]"))) == "[unk]"
    assert "[unk]" not in said(pocketsphinx, audio, Grammar(commands))


def test_a_phrase_is_still_heard_where_unknown_is_allowed(pocketsphinx: Recognizer, best: Audio) -> None:
    assert said(pocketsphinx, best, Grammar(OPENING.phrases, allows_unknown=True)) == "it was the best of times"


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("grammar x;\npublic <a> = b;", 1, "header"),
        ("#JSGF V1.0;\ngrammar x;\npublic <a> = yes | <colour>;\n<color> = red;", 3, "<colour> is not defined"),
        ("#JSGF V1.0;\ngrammar x;\npublic <a> = (yes | no;", 3, "')' is expected"),
        ("#JSGF V1.0;\ngrammar x;\npublic <a> = yes |;", 3, "expected before ';'"),
        ("#JSGF V1.0;\ngrammar x;\n<a> = yes;", 3, "no rule is public"),
        ("#JSGF V1.0;\nimport </etc/passwd.*>;\npublic <a> = yes;", 2, "imports"),
        ("#JSGF V1.0;\ngrammar x;\n\npublic <a> = <b> yes;\n<b> = <a> no;", 4, "contains itself"),
        ("#JSGF V1.0;\ngrammar x;\npublic <a> = /much/ yes;", 3, "does not belong"),
        ("#JSGF V1.0;\ngrammar x;\npublic <a> = /1e999/ yes;", 3, "is no weight"),
        ("#JSGF V1.0;\ngrammar x;\npublic <a> = " + "(" * 5_000, 3, "brackets"),
        ("#JSGF V1.0;\ngrammar x;\npublic <a> = yes;\npublic <a> = no;", 4, "line 3 already"),
        ("#JSGF V1.0;\npublic <a> = /* no end", 2, "does not belong"),
        ("#JSGF V1.0;\npublic <a> = yes", 2, "';' is expected"),
        ("", 1, "header"),
        ("\x00\xff", 1, "header"),
    ],
)
def test_a_wrong_grammar_is_told_by_line(pocketsphinx: Recognizer, text: str, line: int, what: str) -> None:
    for use in (pocketsphinx.stream, lambda grammar: pocketsphinx.transcribe_batch([], grammar=grammar)):
        with pytest.raises(EngineError, match=f"line {line}: ") as caught:
            use(grammar=Grammar(jsgf=text))
        assert what in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_word_without_letters_is_refused(pocketsphinx: Recognizer) -> None:
    with pytest.raises(EngineError, match="включи"):
        pocketsphinx.stream(grammar=Grammar(("включи свет", "свет")))


def test_rules_may_end_in_themselves(pocketsphinx: Recognizer, best: Audio) -> None:
    grammar = jsgf(
        "public <words> = <word> | <word> <words>;\n<word> = it | was | the | best | worst | of | times;"
    )
    assert said(pocketsphinx, best, grammar).endswith("it was the best of times")


@pytest.mark.parametrize("kind", ["silence", "hum", "noise"])
def test_nothing_is_heard_where_nobody_speaks(pocketsphinx: Recognizer, kind: str) -> None:
    time = np.arange(16_000 * 4) / 16_000
    samples = {
        "silence": np.zeros_like(time),
        "hum": 0.1 * np.sin(2 * np.pi * 50 * time),
        "noise": 0.05 * np.random.default_rng(0).standard_normal(len(time)),
    }[kind].astype(np.float32)
    for grammar in (None, OPENING):
        assert pocketsphinx.transcribe_batch([Audio(samples)], grammar=grammar)[0].segments == ()
    assert finals_of(run_stream(pocketsphinx, Audio(samples), 4_000)) == []


def test_what_came_before_makes_no_difference(pocketsphinx: Recognizer, best: Audio, sample: Audio) -> None:
    """PocketSphinx itself carries noise and cepstral mean from one utterance to the next."""
    first = pocketsphinx.transcribe_batch([best])[0].words
    run_stream(pocketsphinx, Audio(0.1 * sample.samples[48_000:96_000]), 4_000)
    assert pocketsphinx.transcribe_batch([best])[0].words == first
    heard = finals_of(run_stream(pocketsphinx, best, 4_000))
    pocketsphinx.transcribe_batch([Audio(sample.samples[96_000:])])
    assert finals_of(run_stream(pocketsphinx, best, 4_000)) == heard


def test_broken_samples_do_no_harm(pocketsphinx: Recognizer, best: Audio) -> None:
    samples = best.samples.copy()
    samples[100:200] = np.nan
    samples[300] = np.inf
    check_transcript(pocketsphinx.transcribe_batch([Audio(samples)], grammar=OPENING)[0], best.duration)


def test_an_abandoned_stream_gives_its_decoder_back(pocketsphinx: Recognizer, best: Audio) -> None:
    for _ in range(3):
        with pocketsphinx.stream(grammar=OPENING) as stream:
            stream.accept(best.samples)
    assert said(pocketsphinx, best, OPENING) == "it was the best of times"


def test_hot_words_are_refused(pocketsphinx: Recognizer, best: Audio) -> None:
    with pytest.raises(UnsupportedError):
        pocketsphinx.transcribe_batch([best], hot_words=["Dickens"])


def test_a_closed_engine_says_so(best: Audio) -> None:
    recognizer = load_engine("pocketsphinx")
    recognizer.close()
    recognizer.close()
    with pytest.raises(EngineError, match="closed"):
        recognizer.transcribe_batch([best])


def test_the_wheel_knows_english_only() -> None:
    with pytest.raises(ModelError, match="English"):
        load_engine("pocketsphinx", EngineOptions(language="ru"))


def test_a_folder_without_a_model_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="acoustic model"):
        load_engine("pocketsphinx", EngineOptions(model=str(tmp_path)))


def test_a_damaged_model_is_one_line(tmp_path: Path) -> None:
    for name in ("mdef", "small.lm", "words.dict"):
        (tmp_path / name).write_bytes(b"\x00garbage" * 100)
    with pytest.raises(ModelError, match="cannot use the model") as caught:
        load_engine("pocketsphinx", EngineOptions(model=str(tmp_path)))
    assert "\n" not in str(caught.value)


def test_a_model_in_a_folder_works(tmp_path: Path, best: Audio) -> None:
    wheel = wheel_models() / "en-us"
    (tmp_path / "sound").mkdir()
    for name in ("cmudict-en-us.dict", "en-us.lm.bin", "en-us-phone.lm.bin"):
        (tmp_path / name).symlink_to(wheel / name)
    for path in (wheel / "en-us").iterdir():
        (tmp_path / "sound" / path.name).symlink_to(path)
    recognizer = load_engine("pocketsphinx", EngineOptions(model=str(tmp_path), language="en"))
    assert recognizer.name == f"pocketsphinx/{tmp_path.name}"
    assert said(recognizer, best, OPENING) == "it was the best of times"
    assert (
        "best of times" in recognizer.transcribe_batch([best])[0].text
    )  # by the words', not the phones' model


def test_nothing_is_written_on_the_terminal(sample_path: Path) -> None:
    code = f"""
from earshot.audio.decode import read_audio
from earshot.core.types import Audio, Grammar
from earshot.engines import load_engine
recognizer = load_engine("pocketsphinx")
audio = Audio(read_audio({str(sample_path)!r}).samples[:32000])
recognizer.transcribe_batch([audio], grammar=Grammar(("yes zxqv", "no"), allows_unknown=True))
with recognizer.stream(grammar=Grammar(("yes",))) as stream:
    stream.accept(audio.samples)
    stream.finish()
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=250, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.slow
def test_dictation_is_as_good_as_it_was(pocketsphinx: Recognizer, librispeech: list[Clip]) -> None:
    """25 % of the words of these ten were wrong when this was written."""
    import jiwer

    from earshot.audio.decode import read_audio

    clips = librispeech[::25]
    heard = pocketsphinx.transcribe_batch([read_audio(clip.path) for clip in clips])
    errors = jiwer.wer([clip.text.lower() for clip in clips], [t.text for t in heard])
    print(f"{len(clips)} utterances: {100 * errors:.1f} % of the words wrong")
    assert errors < 0.35


def test_confidence_is_a_probability_of_words(pocketsphinx: Recognizer, best: Audio) -> None:
    words: tuple[Word, ...] = pocketsphinx.transcribe_batch([best])[0].words
    values = [word.confidence for word in words if word.confidence is not None]
    assert len(values) == len(words) > 3
    assert len(set(values)) > 1
