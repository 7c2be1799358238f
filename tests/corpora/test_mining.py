from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import soundfile

from earshot.core.errors import ManifestError
from earshot.core.types import Audio, Segment, Transcript, Word
from earshot.corpora import Manifest, Utterance, read_manifest
from earshot.corpora.findings import (
    Finding,
    Findings,
    count_verdicts,
    read_findings,
    with_verdicts,
    write_findings,
)
from earshot.corpora.judging_page import write_page
from earshot.corpora.mining import Ears, mine, ranked
from earshot.corpora.sound import read_utterance
from earshot.corpora.versions import manifest_id, write_version
from tests.cli.command import assert_one_line_error, earshot
from tests.cli.live_command import PHRASES, write_phrases
from tests.corpora.sounds import write_tone
from tests.engines.tiny_ctc import write_ctc
from tests.engines.tiny_wav2vec2 import PHRASES as SENTENCES


def said(text: str, confidence: float | None = None) -> Transcript:
    words = tuple(Word(word, confidence=confidence) for word in text.split())
    return Transcript((Segment(text, 0.0, 1.0, words),))


@pytest.fixture
def corpus(tmp_path: Path) -> tuple[Manifest, Path]:
    texts = ["hello there", "good day", "it is </script><b> fine"]
    utterances = [
        Utterance(
            write_tone(tmp_path / f"{number}.wav", 1.0 + number, pitch=200 + number), 0.0, 1.0 + number, text
        )
        for number, text in enumerate(texts)
    ]
    path = tmp_path / "all.jsonl"
    write_version(Manifest(tuple(utterances)), path, change="made")
    return read_manifest(path), path


def hear(audio: Audio) -> Transcript:
    """By the length of the clip."""
    return [said("hello there", 0.9), said("good bay", 0.5), said("nothing", 0.2)][round(audio.duration) - 1]


def findings(corpus: tuple[Manifest, Path]) -> Findings:
    manifest, path = corpus
    second = lambda audio: said("good day") if audio.duration == 2 else hear(audio)  # noqa: E731
    found, _ = mine(manifest, Ears(hear, second))
    return Findings(str(path), manifest_id(manifest, path), "test", tuple(ranked(found)))


def test_the_worst_come_first(corpus: tuple[Manifest, Path]) -> None:
    found = findings(corpus).findings
    assert [one.index for one in found] == [2, 1, 0]
    assert found[2].error_rate == 0.0
    assert found[1].error_rate == pytest.approx(1 / 8)
    assert [one.index for one in ranked(found, "confidence")] == [2, 1, 0]
    assert ranked(found, "disagreement")[0].index == 1
    unknown = Finding(9, "x", 0.0, None, "", "")
    assert ranked([unknown, *found])[-1] == unknown


def test_what_cannot_be_read_is_left_out(corpus: tuple[Manifest, Path]) -> None:
    manifest, path = corpus
    (path.parent / "1.wav").write_text("broken")
    found, failed = mine(manifest, Ears(hear))
    assert [one.index for one in found] == [0, 2]
    assert [(one.index, "1.wav" in (one.failure or "")) for one in failed] == [(1, True)]


def test_verdicts_make_a_new_version(corpus: tuple[Manifest, Path], tmp_path: Path) -> None:
    manifest, path = corpus
    mined = findings(corpus)
    write_findings(mined, tmp_path / "mined.json")
    assert read_findings(tmp_path / "mined.json") == mined
    row = json.loads((tmp_path / "mined.json").read_text())
    row["findings"][0]["verdict"] = "defective"
    row["findings"][1] |= {"verdict": "corrected", "corrected": " good\nbay "}
    (tmp_path / "mined.json").write_text(json.dumps(row))
    judged = read_findings(tmp_path / "mined.json")
    assert count_verdicts(judged.findings) == {"good": 0, "defective": 1, "corrected": 1}
    assert [one.text for one in with_verdicts(manifest, path, judged)] == ["hello there", "good bay"]

    done = earshot("corpus", "mark", path, tmp_path / "mined.json", "-o", tmp_path / "better.jsonl")
    assert done.status == 0
    version = json.loads((tmp_path / "better.version.json").read_text())
    assert version["change"] == "marked: 0 good, 1 defective, 1 corrected"
    assert version["parents"][0]["id"] == mined.id

    write_version(manifest.kept([0, 1]), path, change="changed")
    done = earshot("corpus", "mark", path, tmp_path / "mined.json", "-o", tmp_path / "c.jsonl")
    assert_one_line_error(done, "is not what was mined")


def test_judging_in_the_terminal(
    corpus: tuple[Manifest, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, path = corpus
    monkeypatch.setenv("PATH", str(tmp_path))  # without a player and a sound card it goes on, silently
    write_findings(findings(corpus), tmp_path / "mined.json")
    out = tmp_path / "better.jsonl"
    done = earshot(
        "corpus", "mark", path, tmp_path / "mined.json", "--ask", "-o", out, stdin=b"p\nd\nc\nwell done\nq\n"
    )
    assert done.status == 0, done
    assert [one.text for one in read_manifest(out)] == ["hello there", "well done"]
    assert_one_line_error(
        earshot("corpus", "mark", out, tmp_path / "mined.json", "-o", out), "not what was mined"
    )


@pytest.mark.parametrize(
    "text", ["", "[]", '{"manifest": "a", "id": "b", "engine": "c", "findings": [{"index": 0}]}']
)
def test_a_file_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "mined.json").write_text(text)
    with pytest.raises(ManifestError, match="holds no findings"):
        read_findings(tmp_path / "mined.json")


def test_the_page_holds_the_findings_and_nothing_breaks_out(
    corpus: tuple[Manifest, Path], tmp_path: Path
) -> None:
    mined = findings(corpus)
    write_page(mined, tmp_path / "mined.html")
    page = (tmp_path / "mined.html").read_text()
    assert page.count("</script>") == 3
    found = re.search(r'id="findings">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    row = json.loads(found[1])
    assert row["findings"][0]["text"] == "it is </script><b> fine"
    assert '"2.wav#t=0.000,3.000"' in page
    # What it saves is what 'mark' reads.
    (tmp_path / "verdicts.json").write_text(json.dumps(row))
    assert read_findings(tmp_path / "verdicts.json") == mined


def test_a_stretch_is_read(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "a.wav", 3.0, rate=8_000)
    assert read_utterance(Utterance(path, 0.5, 1.0)).duration == 1.0
    assert read_utterance(Utterance(path, 2.5, 1.0)).duration == 0.5
    assert read_utterance(Utterance(path, 1.0)).duration == 2.0
    assert read_utterance(Utterance(path, 9.0, 1.0)).duration == 0.0
    assert read_utterance(Utterance(path, 1.0), sample_rate=None).sample_rate == 8_000


def test_a_recognizer_finds_the_wrong_text(tmp_path: Path) -> None:
    texts = {"times": PHRASES["times"][2], "belief": "this is not what anybody has said in here"}
    rows = []
    for name, text in texts.items():
        write_phrases(tmp_path / f"{name}.wav", name, pause=0.5)
        rows.append({"audio": f"{name}.wav", "text": text})
    path = tmp_path / "all.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    page, out = tmp_path / "mined.html", tmp_path / "mined.json"
    done = earshot("corpus", "mine", path, "-o", out, "--page", page, "--top", "1")
    assert done.status == 0, done
    (worst,) = read_findings(out).findings
    assert worst.index == 1
    assert worst.error_rate is not None
    assert worst.error_rate > 0.5
    assert worst.confidence is not None
    assert "the 1 worst of 2 are in" in done.errors


def test_a_trained_net_finds_the_text_that_is_not_said(tmp_path: Path, sample: Audio) -> None:
    net = write_ctc(tmp_path / "dickens", sample.samples)
    soundfile.write(tmp_path / "sample.wav", sample.samples, sample.sample_rate)
    rows = [
        {"audio": "sample.wav", "start": start, "duration": round(end - start, 3), "text": text}
        for start, end, text in SENTENCES
    ]
    rows[2]["text"] = "that was the days of our idiocies"
    path, out = tmp_path / "all.jsonl", tmp_path / "mined.json"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = earshot("corpus", "mine", path, "--engine", "ctc", "--model", net, "--by", "loss", "-o", out)
    assert done.status == 0, done
    worst, *others = read_findings(out).findings
    assert worst.index == 2
    assert all(one.loss is not None and one.loss < (worst.loss or 0.0) / 2 for one in others)
