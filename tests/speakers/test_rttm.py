from pathlib import Path

import pytest

from earshot.core.errors import FormatError, OutputError
from earshot.speakers.rttm import read_rttm, write_rttm
from earshot.speakers.types import Turn

TURNS = (Turn(0.25, 2.5, "S1"), Turn(2.0, 4.125, "S2"), Turn(3.0, 3.5, "S1"))


def test_there_and_back(tmp_path: Path) -> None:
    write_rttm(reversed(TURNS), tmp_path / "talk.rttm")
    assert read_rttm(tmp_path / "talk.rttm") == {"talk": TURNS}


def test_several_recordings_in_one_file(tmp_path: Path) -> None:
    lines = [f"SPEAKER {name} 1 0 1.5 <NA> <NA> Anna <NA> <NA>\n" for name in ("a", "b")]
    (tmp_path / "all.rttm").write_text("".join(lines))
    assert read_rttm(tmp_path / "all.rttm") == {name: (Turn(0, 1.5, "Anna"),) for name in ("a", "b")}


def test_what_is_no_rttm(tmp_path: Path) -> None:
    (tmp_path / "bad.rttm").write_text("SPEAKER a 1 zero 1 <NA> <NA> x <NA> <NA>\n")
    with pytest.raises(FormatError, match=r"bad\.rttm, line 1: 'zero' is no time"):
        read_rttm(tmp_path / "bad.rttm")
    with pytest.raises(FormatError, match="cannot read"):
        read_rttm(tmp_path / "absent.rttm")
    with pytest.raises(OutputError, match="it is a folder"):
        write_rttm(TURNS, tmp_path)
