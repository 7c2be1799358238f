from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from earshot.corpora.findings import read_findings
from tests.cli.command import (
    TIMEOUT,
    Result,
    assert_one_line_error,
    command,
    earshot,
    earshot_process,
    install_engine,
)
from tests.corpora.sounds import write_tone
from tests.live.virtual_microphone import wait_for

TEXTS = ["the quick brown fox", "the quick brawn", "the", "the quick brown fox", "the quick brown cat"]
SAYS = ("--engine", "scripted", "--model", "the quick brown fox")
"""It says a word for each 0.4 s."""


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "all.jsonl")


def write_corpus(path: Path) -> Path:
    rows = []
    for place, text in enumerate(TEXTS):
        name = f"{place}.wav"
        write_tone(path.parent / name, 0.4 * len(text.split()) + 0.1)
        rows.append({"audio": name, "text": text, "speaker": "ab"[place % 2]})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def figure(result: Result, name: str) -> str:
    found = re.search(rf"^{name} +(\S+ %)", result.output, re.MULTILINE)
    assert found is not None, result
    return found[1]


def test_figures_tables_and_the_worst_first(corpus: Path) -> None:
    done = earshot("evaluate", corpus, *SAYS)
    assert done.status == 0, done
    assert figure(done, "WER") == "12.5 %"  # 2 of 16
    assert "5 utterances" in done.output
    assert "lower case, no punctuation" in done.output
    for title in ("by speaker", "by length", "taken for another", "never written"):
        assert title in done.output
    worst = re.findall(r"^.*/(\d)\.wav  WER", done.output, re.MULTILINE)
    assert worst == ["4", "1"]
    lines = done.output.splitlines()
    place = next(place for place, line in enumerate(lines) if line.endswith("quick brown cat"))
    assert lines[place + 1].split() == ["heard", "the", "quick", "brown", "fox"]
    assert lines[place + 2].index("S") == lines[place].index("cat")
    assert "\x1b" not in done.output


def test_colours_on_a_terminal_that_wants_them(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[33mcat" in earshot("evaluate", corpus, *SAYS).output
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[33m" not in earshot("evaluate", corpus, *SAYS).output


def test_what_cannot_be_recognized_is_named_and_counted(corpus: Path) -> None:
    (corpus.parent / "1.wav").unlink()
    (corpus.parent / "3.wav").write_text("no sound")
    done = earshot("evaluate", corpus, *SAYS)
    assert done.status == 1
    assert figure(done, "WER") == "50.0 %"  # 3 + 4 left out, 1 substituted
    assert [line.startswith(f"earshot: error: {corpus}, line") for line in done.error_lines] == [True] * 2
    assert "line 2: there is no file" in done.errors
    assert "2 not recognized" in done.output


def test_a_recognizer_that_never_works(corpus: Path) -> None:
    for path in corpus.parent.glob("*.wav"):
        path.unlink()
    assert_one_line_error(
        earshot("evaluate", corpus, *SAYS), "nothing of", "was recognized", "there is no file"
    )


def test_results_are_kept_and_not_recognized_again(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    assert earshot("evaluate", corpus, *SAYS, "-o", out).status == 0
    row = json.loads(out.read_text())
    assert [one["index"] for one in row["findings"]][:2] == [4, 1]  # the worst first, for who judges them
    row["findings"] = [one | {"heard": "kept"} for one in row["findings"] if one["index"] == 2]
    out.write_text(json.dumps(row))
    assert earshot("evaluate", corpus, *SAYS, "-o", out).status == 0
    heard = {one.index: one.heard for one in read_findings(out).findings}
    assert heard[2] == "kept"
    assert heard[0] == "the quick brown fox"

    done = earshot("evaluate", corpus, "--engine", "scripted", "-o", out)
    assert_one_line_error(done, "is of another recognizer")
    corpus.write_text(corpus.read_text().replace("brown", "green"))
    assert_one_line_error(earshot("evaluate", corpus, *SAYS, "-o", out), "is of another manifest")
    (tmp_path / "note.txt").write_text("mine")
    assert_one_line_error(earshot("evaluate", corpus, *SAYS, "-o", tmp_path / "note.txt"), "holds no findings")


STOPS = """
import pathlib, time
from earshot.engines import Engine
from earshot.engines.scripted import ScriptedRecognizer

class Stops(ScriptedRecognizer):
    num_heard = 0

    def transcribe(self, audio, **options):
        self.num_heard += 1
        if self.num_heard == 2:
            raise RuntimeError("a bug\\nof two lines")
        if self.num_heard == 4:
            pathlib.Path({marker!r}).touch()
            time.sleep(100)
        return super().transcribe(audio, **options)

ENGINE = Engine("stops", "stops", lambda options: Stops(), has_default_model=True)
"""


def test_an_interruption_keeps_what_was_recognized(corpus: Path, tmp_path: Path) -> None:
    marker, out = tmp_path / "marker", tmp_path / "result.json"
    environment = install_engine(tmp_path / "engines", "stops", STOPS.format(marker=str(marker)))
    line = ("evaluate", corpus, "--engine", "stops", "-o", out)
    with subprocess.Popen(
        command(*line), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env={**os.environ, **environment}
    ) as process:
        assert wait_for(marker.exists)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert "3 of 5 utterances are in" in errors.decode()
    found = read_findings(out).findings
    assert [one.failure for one in found] == [None, "RuntimeError: a bug of two lines", None]
    done = earshot_process(*line, environment=environment)  # hears three more, of which the second fails
    assert done.status == 1
    assert len(read_findings(out).findings) == 5


def test_two_results_are_compared(corpus: Path, tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    assert earshot("evaluate", corpus, "--engine", "scripted", "--model", "no", "-o", old).status == 0
    done = earshot("evaluate", corpus, *SAYS, "--json")
    new.write_text(done.output)
    assert json.loads(done.output)["figures"]["words"]["rate"] == 0.125
    done = earshot("evaluate", "--compare", old, new)
    assert done.status == 0, done
    assert "100.0 % → 12.5 %: -87.5 points" in done.output
    assert "5 better, 0 worse, 0 alike" in done.output
    row = json.loads(earshot("evaluate", "--compare", old, new, "--json").output)
    assert row["words"]["change"] == -0.875
    assert row["words"]["probability_of_improvement"] == 1.0


def test_hypotheses_of_another_program(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs.txt").write_text("0 the quick brown fox\n1 the quick brawn\n2 the\n4 the quick cat\n")
    done = earshot("evaluate", corpus, "--hypotheses", tmp_path / "theirs.txt")
    assert done.status == 1
    assert figure(done, "WER") == "31.2 %"
    assert done.error_lines == [
        f"earshot: error: {corpus}, line 4: {tmp_path / 'theirs.txt'} has no text of it"
    ]


def test_the_page_holds_its_sound_and_asks_no_network(corpus: Path, tmp_path: Path) -> None:
    page = tmp_path / "page" / "report.html"
    done = earshot("evaluate", corpus, *SAYS, "--report", page, "--top", "1")
    assert done.status == 0, done
    text = page.read_text()
    assert text.count("data:audio/ogg;base64,") == 1
    assert "12.5 %" in text
    assert not re.search(r"https?://|url\(", text)
    assert "default-src 'none'" in text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has no utterances"),
        ('{"audio": "0.wav"}\n', "has no texts to compare with"),
        ('{"audio": "0.wav", "text": "…"}\n', "hold no word"),
        ("junk\n", "line 1: no JSON"),
    ],
)
def test_manifests_that_cannot_be_evaluated(corpus: Path, text: str, told: str) -> None:
    corpus.write_text(text)
    assert_one_line_error(earshot("evaluate", corpus, *SAYS), told)


def test_mistaken_command_lines(corpus: Path, tmp_path: Path) -> None:
    assert_one_line_error(earshot("evaluate"), "no manifest is given", status=2)
    both = earshot("evaluate", corpus, "--compare", "a.json", "b.json")
    assert_one_line_error(both, "takes two results and no manifest", status=2)
    assert_one_line_error(earshot("evaluate", "--compare", tmp_path / "a.json", corpus), "cannot read")
    lm = earshot("evaluate", corpus, *SAYS, "--lm", "x.arpa")
    assert_one_line_error(lm, "takes no language model")


def test_a_manifest_without_some_texts(corpus: Path) -> None:
    with corpus.open("a") as file:
        file.write('{"audio": "0.wav"}\n')
    done = earshot("evaluate", corpus, *SAYS)
    assert done.error_lines == ["earshot: 1 of 6 utterances have no text, and are left out"]
    assert figure(done, "WER") == "12.5 %"


def test_mining_by_loss_needs_a_net_that_tells_it(corpus: Path, tmp_path: Path) -> None:
    done = earshot("corpus", "mine", corpus, *SAYS, "--by", "loss", "-o", tmp_path / "mined.json")
    assert_one_line_error(done, "has no CTC net", "ctc or wav2vec2")
