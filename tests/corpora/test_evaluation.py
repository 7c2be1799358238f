from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earshot.core.errors import CorpusError, ManifestError
from earshot.core.types import Audio
from earshot.corpora import Manifest, Utterance, read_manifest, write_manifest
from earshot.corpora.evaluation import Evaluation, compare, evaluate
from earshot.corpora.evaluation_figures import spelling_rows
from earshot.corpora.findings import Finding, Findings, read_findings, write_findings
from earshot.corpora.hypotheses import read_hypotheses
from earshot.decoding.ctc import LogProbs, log_softmax
from earshot.engines.scoring import CtcRecognizer, loss_per_token


def found(*rows: tuple[str, str], speakers: str = "", seconds: float | None = 3.0) -> Findings:
    """Of texts and what was heard; the speakers in turn."""
    findings = [
        Finding(
            index,
            f"/{index}.wav",
            0.0,
            seconds,
            text,
            heard,
            speaker=speakers[index % len(speakers)] if speakers else None,
        )
        for index, (text, heard) in enumerate(rows)
    ]
    return Findings("all.jsonl", "1", "test", tuple(findings))


def test_figures_by_hand() -> None:
    done = evaluate(
        found(("The cat sat.", "the cat sit"), ("on the mat", "on mat"), ("yes", "oh yes"), speakers="ab")
    )
    errors = done.words.errors
    assert (errors.substitutions, errors.deletions, errors.insertions) == (1, 1, 1)
    assert done.words.value == pytest.approx(3 / 7)
    assert done.letters.value == pytest.approx((1 + 4 + 3) / (11 + 10 + 3))
    assert [one.finding.index for one in done.utterances] == [2, 1, 0]
    assert [(group.name, group.num_utterances) for group in done.by_speaker] == [("a", 2), ("b", 1)]
    assert [(group.name, group.seconds) for group in done.by_length] == [("2 to 5 s", 9.0)]
    assert (done.num_speakers, done.seconds) == (2, 9.0)
    assert done.words.interval is None  # of three utterances nobody can tell


def test_lengths_are_told_in_words_where_seconds_are_unknown() -> None:
    done = evaluate(found(("one", "one"), ("one " * 7, "one " * 7), ("one " * 99, "one"), seconds=None))
    assert [group.name for group in done.by_length] == ["under 3 words", "7 to 15 words", "30 words and more"]
    assert done.seconds is None


def voices(num_speakers: int, num_each: int) -> Findings:
    """Half of the speakers are never understood, the others always."""
    findings = [
        Finding(place, f"/{place}.wav", 0.0, 1.0, "a b c d", "" if place % num_speakers % 2 else "a b c d")
        for place in range(num_speakers * num_each)
    ]
    named = [replace(one, speaker=f"s{one.index % num_speakers}") for one in findings]
    return Findings("all.jsonl", "1", "test", tuple(named))


def width(interval: tuple[float, float] | None) -> float:
    assert interval is not None
    return interval[1] - interval[0]


def test_intervals_hold_the_rate_and_narrow_with_more_utterances() -> None:
    few, many = (evaluate(voices(2, count)).words for count in (10, 500))
    assert few.interval is not None
    assert few.interval[0] < 0.5 < few.interval[1]
    assert width(many.interval) < width(few.interval) / 3


def test_speakers_are_resampled_where_there_are_enough() -> None:
    assert evaluate(voices(9, 10)).words.over_speakers is None
    words = evaluate(voices(20, 50)).words
    # Each voice errs alike, so a thousand utterances of twenty voices tell little more than twenty utterances.
    assert width(words.over_speakers) > 3 * width(words.interval)


def test_letters_that_are_taken_for_others() -> None:
    done = evaluate(found(("ŋa ŋo so", "na no so"), ("ŋe ku", "ne k"), ("lo", "lo o")))
    assert done.spelling.confused == ((("ŋ", "n"), 3),)
    assert done.spelling.left_out == (("u", 1),)
    assert dict(done.spelling.added) == {" ": 1, "o": 1}
    assert dict(done.spelling.never) == {"ŋ": 3, "u": 1}


def test_letters_are_told_apart_that_look_alike_or_cannot_be_seen() -> None:
    rows = dict(spelling_rows(evaluate(found(("е b", "e"), ("ā́", "ā")))))
    assert rows["taken for another"] == [("е (Cyrillic) → e (Latin)", "1")]
    assert [name for name, _ in rows["left out"]] == ["␣", "b", "◌\u0301"]


def test_what_failed_counts_as_left_out_and_tells_nothing_of_letters() -> None:
    whole = found(("one two", "one two"), ("three", ""))
    failed = replace(whole.findings[1], failure="there is no file")
    done = evaluate(replace(whole, findings=(whole.findings[0], failed)))
    assert done.words.errors.deletions == 1
    assert done.failures == (failed,)
    assert done.utterances[0].finding == failed
    assert done.spelling.left_out == ()


def test_a_word_where_nothing_is_said_is_worse_than_nothing() -> None:
    done = evaluate(found(("one", "one"), ("", "two"), ("", "")))
    assert done.words.errors.insertions == 1
    assert done.utterances[0].finding.index == 1


@pytest.mark.parametrize(("normalisation", "num_errors"), [("plain", 2), ("english", 0), ("none", 4)])
def test_texts_are_made_comparable_as_asked(normalisation: str, num_errors: int) -> None:
    texts = found(("Doctor Grey paid Five dollars.", "dr gray paid five dollars"))
    assert evaluate(texts, normalisation).words.errors.num_errors == num_errors


def test_texts_without_a_word() -> None:
    with pytest.raises(CorpusError, match="hold no word"):
        evaluate(found(("…", "one")))


# --- two of them -------------------------------------------------------------------------------------------


def half_right(step: int) -> Evaluation:
    rows = [("a b c d", "a b c x" if index % step else "a b c d") for index in range(60)]
    return evaluate(found(*rows))


def test_which_of_two_is_better() -> None:
    old, new = half_right(4), half_right(2)
    result = compare(old, new)
    assert result.words.change == pytest.approx(-0.25 / 4)
    assert result.words.interval[0] < result.words.change < result.words.interval[1] < 0
    assert result.words.probability > 0.99
    assert (result.num_better, result.num_worse, result.over_speakers) == (15, 0, False)
    assert compare(new, old).words.probability < 0.01
    assert compare(old, old).words.probability == 0.5


def test_what_cannot_be_compared() -> None:
    old = half_right(2)
    other = replace(old, findings=replace(old.findings, id="2"))
    with pytest.raises(CorpusError, match="not the same manifest"):
        compare(old, other)
    part = evaluate(replace(old.findings, findings=old.findings.findings[:5]))
    with pytest.raises(CorpusError, match="60 utterances, the other 5"):
        compare(old, part)


# --- files -------------------------------------------------------------------------------------------------


@pytest.fixture
def corpus(tmp_path: Path) -> tuple[Manifest, Path]:
    utterances = [Utterance(tmp_path / f"{name}.wav", text=f"this is {name}") for name in ("a", "b")]
    path = tmp_path / "all.jsonl"
    write_manifest(utterances, path)
    return read_manifest(path, checks_files=False), path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lines.txt", "b this is b\na that is a\n"),
        ("lines.tsv", "b\tthis is b\na\tthat is a"),
        ("rows.jsonl", '{"audio": "a.wav", "text": "that is a"}\n'
                       '{"audio": "/x/b.wav", "text": "this is b"}\n'),
        ("nemo.jsonl", '{"audio_filepath": "a.wav", "text": "x", "pred_text": "that is a"}\n'
                       '{"audio_filepath": "b.wav", "text": "x", "pred_text": "this is b"}\n'),
        ("table.csv", "audio,text\na.wav,that is a\nb.wav,this is b\n"),
    ],
)  # fmt: skip
def test_hypotheses_of_others(corpus: tuple[Manifest, Path], name: str, text: str) -> None:
    manifest, path = corpus
    (path.parent / name).write_text(text)
    found = read_hypotheses(manifest, path, path.parent / name)
    assert [(one.heard, one.failure) for one in found.findings] == [("that is a", None), ("this is b", None)]
    assert evaluate(found).words.errors.substitutions == 1


def test_a_hypothesis_that_is_missing_is_a_failure(corpus: tuple[Manifest, Path]) -> None:
    manifest, path = corpus
    (path.parent / "lines.txt").write_text("b\n")  # nothing was heard in b, and nobody listened to a
    found = read_hypotheses(manifest, path, path.parent / "lines.txt")
    assert [one.failure is None for one in found.findings] == [False, True]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no hypotheses"),
        ("a one\nz two\n", "line 2: .* has no such utterance"),
        ("a one\na two\n", "line 2: a stands there twice"),
        ('{"audio": "z.wav", "text": "one"}\n', "line 1: .* has no such utterance"),
        ('{"text": "one"}\n', "the field 'audio' is missing"),
    ],
)
def test_hypotheses_that_are_none_of_these(corpus: tuple[Manifest, Path], text: str, told: str) -> None:
    manifest, path = corpus
    (path.parent / "lines.txt").write_text(text)
    with pytest.raises(ManifestError, match=told):
        read_hypotheses(manifest, path, path.parent / "lines.txt")


def test_names_that_several_utterances_have(tmp_path: Path) -> None:
    manifest = Manifest(tuple(Utterance(tmp_path / name / "1.wav", text="one") for name in "ab"))
    (tmp_path / "lines.txt").write_text("1 one\n")
    with pytest.raises(CorpusError, match="several utterances are called '1'"):
        read_hypotheses(manifest, tmp_path / "all.jsonl", tmp_path / "lines.txt")


def test_findings_are_kept_whole(tmp_path: Path) -> None:
    whole = replace(found(("one", "won"), speakers="a"), settings={"engine": "ctc"})
    row = replace(whole.findings[0], loss=2.5, failure="x", verdict="corrected", corrected="two")
    write_findings(replace(whole, findings=(row,)), tmp_path / "found.json")
    assert read_findings(tmp_path / "found.json") == replace(whole, findings=(row,))


@pytest.mark.parametrize(
    "change",
    [{"index": "0"}, {"index": -1}, {"index": True}, {"text": 1}, {"heard": None}, {"loss": "x"},
     {"speaker": []}, {"verdict": "bad"}, {"unknown": 1}],
)  # fmt: skip
def test_findings_that_are_broken(tmp_path: Path, change: dict[str, object]) -> None:
    write_findings(found(("one", "won")), tmp_path / "found.json")
    row = json.loads((tmp_path / "found.json").read_text())
    row["findings"][0] |= change
    (tmp_path / "found.json").write_text(json.dumps(row))
    with pytest.raises(ManifestError, match="holds no findings"):
        read_findings(tmp_path / "found.json")


# --- how likely a text is ----------------------------------------------------------------------------------


class Net:
    """Writes a, b, a, b …, a letter each tenth of a second."""

    name = "net"
    blank = 0

    def tokens_of(self, text: str) -> list[int]:
        return [" ab".index(letter) for letter in text if letter in "ab"]

    def log_probs(self, audio: Audio) -> LogProbs:
        rows = np.zeros((round(10 * audio.duration), 3))
        rows[0::2, 1] = rows[1::2, 2] = 5.0
        return log_softmax(rows)


def test_the_loss_tells_a_text_that_does_not_belong_to_the_sound() -> None:
    net, audio = Net(), Audio(np.zeros(8_000, np.float32))
    assert isinstance(net, CtcRecognizer)
    right, wrong = loss_per_token(net, audio, "ababa"), loss_per_token(net, audio, "bb")
    assert right is not None
    assert wrong is not None
    assert right < 0.1 < 3 < wrong
    assert loss_per_token(net, audio, "a" * 100) == np.inf
    assert loss_per_token(net, audio, "…") is None
