from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import assert_one_line_error, earshot
from tests.corpora.sounds import write_tone


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve recordings by six people."""
    for number in range(12):
        path = write_tone(
            tmp_path / "in" / f"person{number % 6}" / f"{number}.wav", 1.0 + number / 10, pitch=200 + number
        )
        path.with_suffix(".txt").write_text(f"recording {'abcdefghijkl'[number]}\n")
    return tmp_path


def test_from_a_folder_to_a_split(folder: Path) -> None:
    whole = folder / "all.jsonl"
    done = earshot("corpus", "import", folder / "in", "-o", whole, "--language", "en")
    assert done.status == 0
    assert done.output.startswith(f"{whole}\t12 utterances\t0:00:19\tversion ")
    row = json.loads(whole.read_text().splitlines()[0])
    assert row == {
        "audio": "in/person0/0.wav",
        "duration": 1.0,
        "text": "recording a",
        "speaker": "person0",
        "language": "en",
    }

    assert earshot("corpus", "check", whole).status == 0
    done = earshot("corpus", "stats", whole)
    assert "12 in 12 recordings" in done.output
    assert f"{whole}: imported from" in done.output
    assert json.loads(earshot("corpus", "stats", whole, "--json").output)["seconds"] == pytest.approx(18.6)

    done = earshot(
        "corpus",
        "split",
        whole,
        "--parts",
        "train=0.7,test=0.3",
        "--speakers",
        "test=person1",
        "--speakers",
        "train=person2",
    )
    assert done.status == 0
    train = [json.loads(line) for line in (folder / "all-train.jsonl").read_text().splitlines()]
    test = [json.loads(line) for line in (folder / "all-test.jsonl").read_text().splitlines()]
    assert len(train) + len(test) == 12
    assert not {one["speaker"] for one in train} & {one["speaker"] for one in test}
    version = json.loads((folder / "all-test.version.json").read_text())
    assert version["parents"] == [
        {"id": json.loads((folder / "all.version.json").read_text())["id"], "path": str(whole)}
    ]

    done = earshot(
        "corpus",
        "merge",
        folder / "all-train.jsonl",
        folder / "all-test.jsonl",
        whole,
        "-o",
        folder / "again.jsonl",
    )
    assert "12 utterances" in done.output
    done = earshot("corpus", "filter", whole, "-o", folder / "short.jsonl", "--max-duration", "1.25")
    assert "\t3 utterances\t" in done.output


def test_a_check_tells_and_mends(folder: Path) -> None:
    whole = folder / "all.jsonl"
    earshot("corpus", "import", folder / "in", "-o", whole)
    with whole.open("a") as file:
        file.write('{"audio": "gone.wav", "text": "nothing"}\n')
        file.write('{"audio": "in/person0/0.wav", "duration": 7, "text": "again"}\n')
    done = earshot("corpus", "check", whole, "-o", folder / "good.jsonl")
    assert done.status == 1
    assert f"{whole}, line 13: missing: " in done.output
    assert f"{whole}, line 14: duration: " in done.output
    assert "14 utterances: " in done.errors
    good = (folder / "good.jsonl").read_text().splitlines()
    assert len(good) == 13
    assert json.loads(good[-1])["duration"] == 1.0
    rows = [json.loads(line) for line in earshot("corpus", "check", whole, "--json").output.splitlines()]
    assert {row["defect"] for row in rows} == {"missing", "duration", "duplicate"}


def test_bad_lines(folder: Path) -> None:
    whole = folder / "all.jsonl"
    earshot("corpus", "import", folder / "in", "-o", whole)
    with whole.open("a") as file:
        file.write('{"audio": "gone.wav"}\nnot json\n')
    done = earshot("corpus", "stats", whole)
    assert_one_line_error(done, f"{whole}, line 13: there is no recording")
    done = earshot("corpus", "stats", whole, "--skip-bad")
    assert done.status == 0
    assert "2 bad lines left out, the first: " in done.errors


@pytest.mark.parametrize("target", ["nemo", "lhotse", "kaldi", "csv", "tsv", "folder"])
def test_export_and_back(folder: Path, target: str) -> None:
    whole, out = folder / "all.jsonl", folder / f"out.{target}"
    earshot("corpus", "import", folder / "in", "-o", whole)
    assert earshot("corpus", "export", whole, "--to", target, "-o", out).status == 0
    done = earshot("corpus", "import", out, "-o", folder / "back.jsonl")
    assert "\t12 utterances\t0:00:19\t" in done.output
    back = [json.loads(line) for line in (folder / "back.jsonl").read_text().splitlines()]
    assert sorted((one["text"], one["speaker"]) for one in back) == sorted(
        (f"recording {'abcdefghijkl'[number]}", f"person{number % 6}") for number in range(12)
    )


def test_a_picture(folder: Path) -> None:
    pytest.importorskip("matplotlib", reason="no pictures: pip install 'earshot[plot]'")
    whole = folder / "all.jsonl"
    earshot("corpus", "import", folder / "in", "-o", whole)
    assert earshot("corpus", "stats", whole, "--plot", folder / "all.png").status == 0
    assert (folder / "all.png").read_bytes().startswith(b"\x89PNG")
    assert_one_line_error(earshot("corpus", "stats", whole, "--plot", folder / "all.doc"), "no kind of picture")


def test_mistakes(folder: Path) -> None:
    whole = folder / "all.jsonl"
    earshot("corpus", "import", folder / "in", "-o", whole)
    assert_one_line_error(
        earshot("corpus", "filter", whole, "-o", whole, "--max-letters", "40"), "is what it is made of"
    )
    assert_one_line_error(
        earshot("corpus", "filter", whole, "-o", folder / "x.jsonl", "--speaker", "nobody"), "nothing is left"
    )
    assert_one_line_error(earshot("corpus", "split", whole, "--parts", "all"), "--parts is like", status=2)
    assert_one_line_error(
        earshot("corpus", "filter", whole, "-o", folder / "x.jsonl", "--text", "("),
        "no regular expression",
        status=2,
    )
    assert_one_line_error(earshot("corpus", "splt", whole), "did you mean 'split'", status=2)
