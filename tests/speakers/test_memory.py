"""Voices that are known: kept, found again, forgotten; and files that are no memory."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from earshot.core.errors import OutputError, SpeakerError
from earshot.speakers.memory import Enrolment, SpeakerMemory, VoiceSpace
from earshot.speakers.types import Diarization, Vector

SPACE = VoiceSpace("test", 0.7)


def vector(*parts: float) -> Vector:
    made = np.array([*parts, *[0.0] * (8 - len(parts))], np.float32)
    return made / np.linalg.norm(made)


def enrolment(
    *parts: float, source: str = "a.wav", seconds: float = 3.0, space: VoiceSpace = SPACE
) -> Enrolment:
    return Enrolment(source, seconds, {space: vector(*parts)})


@pytest.fixture
def memory(tmp_path: Path) -> SpeakerMemory:
    return SpeakerMemory(tmp_path / "speakers.sqlite")


def test_asking_creates_nothing(memory: SpeakerMemory) -> None:
    assert list(memory.list()) == []
    assert memory.identify(vector(1), "test") is None
    assert not memory.path.exists()


def test_the_default_is_in_the_home_of_earshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path))
    SpeakerMemory().enrol("Anna", [enrolment(1)])
    assert (tmp_path / "speakers.sqlite").is_file()
    assert (tmp_path / "speakers.sqlite").stat().st_mode & 0o077 == 0  # nobody else may read it


def test_who_was_enrolled_is_found_and_a_stranger_is_not(memory: SpeakerMemory) -> None:
    memory.enrol("Anna", [enrolment(1, 0.1), enrolment(1, -0.1)])
    memory.enrol("Ben", [enrolment(0, 1)])
    match = memory.identify(vector(1, 0.3), "test")
    assert match is not None
    assert (match.name, match.threshold) == ("Anna", 0.7)
    assert match.similarity == pytest.approx(1 / np.hypot(1, 0.3), abs=1e-3)
    assert memory.identify(vector(0, 0, 1), "test") is None
    assert memory.identify(vector(0.6, 0.5, 0.7), "test") is None  # nearest to Anna, and still a stranger
    assert memory.identify(vector(0.6, 0.5, 0.7), "test", threshold=0.5) is not None
    assert memory.identify(vector(1), "another") is None
    assert [one.name for one in memory.ranking(vector(0, 0, 1, 0.1), "test")] == ["Anna", "Ben"]


def test_longer_recordings_count_more(memory: SpeakerMemory) -> None:
    memory.enrol("Anna", [enrolment(1, seconds=30), enrolment(0, 1, seconds=3)])
    (anna,) = memory.list()
    assert anna.vectors["test"] @ vector(1) > 0.99
    assert (anna.num_recordings, anna.seconds) == (2, 33.0)


def test_a_name_that_exists_is_refused_unless_it_is_to_grow(memory: SpeakerMemory) -> None:
    memory.enrol("Anna", [enrolment(1)])
    with pytest.raises(SpeakerError, match=r"already.*--more"):
        memory.enrol("  ANNA ", [enrolment(0, 1)])
    assert memory.enrol("anna", [enrolment(1, 0.1)], adds=True).num_recordings == 2
    with pytest.raises(SpeakerError, match="did you mean 'Anna'"):
        memory.enrol("Anne", [enrolment(1)], adds=True)


@pytest.mark.parametrize("name", ["", "   ", "\n\0", "x" * 81])
def test_names_that_are_none(memory: SpeakerMemory, name: str) -> None:
    with pytest.raises(SpeakerError):
        memory.enrol(name, [enrolment(1)])
    assert not memory.path.exists()


def test_hostile_names_stay_names(memory: SpeakerMemory) -> None:
    for name in ("'; DROP TABLE speakers; --", "<script>", "Robert\n\x1b[31mred", "😀", "א‏ב"):
        kept = memory.enrol(name, [enrolment(1)]).name
        assert "\n" not in kept
        assert "\x1b" not in kept
        memory.forget(kept)
    assert list(memory.list()) == []


def test_rename_merge_forget(memory: SpeakerMemory) -> None:
    memory.enrol("Anna", [enrolment(1)])
    memory.enrol("Ben", [enrolment(0, 1)])
    memory.enrol("Ana", [enrolment(1, 0.2)])
    assert memory.rename("anna", "ANNA").name == "ANNA"  # its own name in other letters
    with pytest.raises(SpeakerError, match=r"already.*merge"):
        memory.rename("Ben", "anna")
    assert memory.merge("Ana", into="ANNA").num_recordings == 2
    with pytest.raises(SpeakerError, match="same speaker"):
        memory.merge("Ben", into="ben")
    with pytest.raises(SpeakerError, match="no speaker 'Ana'"):
        memory.merge("Ana", into="Ben")
    memory.forget("ANNA")
    assert [one.name for one in memory.list()] == ["Ben"]
    with pytest.raises(SpeakerError, match="no speaker"):
        memory.forget("ANNA")


def test_what_is_forgotten_is_not_in_the_file_any_more(memory: SpeakerMemory) -> None:
    rare = vector(*np.random.default_rng(1).normal(size=8))
    memory.enrol("Zacharias", [Enrolment("secret.wav", 3.0, {SPACE: rare}, b"CLIP" * 4000)])
    data = memory.path.read_bytes()
    assert rare.tobytes() in data
    assert b"Zacharias" in data
    memory.forget("Zacharias")
    data = memory.path.read_bytes()
    for trace in (rare.tobytes(), b"Zacharias", b"secret.wav", b"CLIPCLIP"):
        assert trace not in data
    assert [path.name for path in memory.path.parent.iterdir()] == ["speakers.sqlite"]


def test_forgotten_while_a_session_asks_again_and_again(memory: SpeakerMemory) -> None:
    """A session holds a memory of its own on the same file; nobody gets an error, and the name is gone."""
    memory.enrol("Anna", [enrolment(1)])
    memory.enrol("Ben", [enrolment(0, 1)])
    session = SpeakerMemory(memory.path)
    found: list[str | None] = []
    has_begun, is_over = threading.Event(), threading.Event()

    def listen() -> None:
        while not is_over.is_set():
            match = session.identify(vector(1), "test")
            found.append(match.name if match else None)
            has_begun.set()

    thread = threading.Thread(target=listen)
    thread.start()
    assert has_begun.wait(30)
    for number in range(15):
        memory.enrol(f"N{number}", [enrolment(0, 0, 1)])
        memory.forget(f"N{number}")
    memory.forget("Anna")
    is_over.set()
    thread.join()
    times_known = found.count("Anna")
    assert found == ["Anna"] * times_known + [None] * (len(found) - times_known)
    assert times_known > 0
    assert session.identify(vector(1), "test") is None


ENROL = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from tests.speakers.test_memory import SpeakerMemory, enrolment
for number in range(8):
    SpeakerMemory(Path(sys.argv[1])).enrol(f"{sys.argv[2]} {number}", [enrolment(1)])
"""


def test_two_programs_enrol_at_once(memory: SpeakerMemory) -> None:
    root = str(Path(__file__).parents[2])
    programs = [
        subprocess.Popen([sys.executable, "-c", ENROL, str(memory.path), name, root]) for name in ("one", "two")
    ]
    assert [program.wait(timeout=120) for program in programs] == [0, 0]
    assert len(memory.list()) == 16


def test_a_failure_on_the_way_keeps_nothing(memory: SpeakerMemory) -> None:
    memory.enrol("Anna", [enrolment(1)])
    bad = Enrolment("b.wav", 3.0, {SPACE: np.ones(5, np.float32)})
    with pytest.raises(SpeakerError, match="5 numbers where it gave 8"):
        memory.enrol("Ben", [enrolment(0, 1), bad])
    with pytest.raises(SpeakerError, match="gave no voice"):
        memory.enrol("Ben", [Enrolment("c.wav", 3.0, {SPACE: np.full(8, np.nan, np.float32)})])
    assert [one.name for one in memory.list()] == ["Anna"]


def assert_damaged(memory: SpeakerMemory, pattern: str) -> None:
    before = memory.path.read_bytes()
    for use in (memory.list, lambda: memory.forget("Anna"), lambda: memory.enrol("Ben", [enrolment(1)])):
        with pytest.raises(SpeakerError, match=pattern):
            use()
    assert memory.path.read_bytes() == before


def test_a_damaged_file_is_told_and_left_alone(memory: SpeakerMemory) -> None:
    memory.enrol("Anna", [enrolment(1)])
    data = memory.path.read_bytes()
    memory.path.write_bytes(b"no database at all" * 500)
    assert_damaged(memory, "damaged")
    memory.path.write_bytes(data[:100] + bytes(len(data) - 100))
    assert_damaged(memory, "damaged|cannot be used")


def test_a_vector_of_the_wrong_size_in_the_file(memory: SpeakerMemory) -> None:
    memory.enrol("Anna", [enrolment(1)])
    with sqlite3.connect(memory.path) as connection:
        connection.execute("UPDATE vectors SET vector = x'0102'")
    connection.close()
    with pytest.raises(SpeakerError, match="damaged"):
        memory.list()


def test_another_version_and_a_database_of_somebody_else(memory: SpeakerMemory) -> None:
    memory.enrol("Anna", [enrolment(1)])
    with sqlite3.connect(memory.path) as connection:
        connection.execute("PRAGMA user_version = 7")
    connection.close()
    assert_damaged(memory, "version 7")
    memory.path.unlink()
    with sqlite3.connect(memory.path) as connection:
        connection.execute("CREATE TABLE mails (id)")
    connection.close()
    assert_damaged(memory, "no memory of voices")


def test_an_empty_file_and_a_folder(memory: SpeakerMemory) -> None:
    memory.path.touch()
    assert list(memory.list()) == []
    memory.enrol("Anna", [enrolment(1)])
    assert len(memory.list()) == 1
    folder = SpeakerMemory(memory.path.parent)
    with pytest.raises((SpeakerError, OutputError)):
        folder.enrol("Anna", [enrolment(1)])


def test_labels_are_named_once_unless_they_are_one_voice(memory: SpeakerMemory) -> None:
    memory.enrol("Anna", [enrolment(1)])
    memory.enrol("Ben", [enrolment(0, 1)])
    labels = {"S1": vector(1, 0.1), "S2": vector(0, 0.1, 1), "S3": vector(0, 1), "S4": vector(1, 0, 0.2)}
    assert memory.name_speakers(Diarization((), labels, "test")) == {"S1": "Anna", "S3": "Ben", "S4": "Anna"}
    unlike = {"S1": vector(1, 0.65), "S2": vector(1, -0.65)}  # each near to Anna, not to one another
    assert len(memory.name_speakers(Diarization((), unlike, "test"))) == 1
    assert memory.name_speakers(Diarization((), labels, "another")) == {}


def test_who_was_enrolled_for_another_encoder_is_told(memory: SpeakerMemory) -> None:
    memory.enrol("Anna", [enrolment(1)])
    memory.enrol("Ben", [enrolment(1, space=VoiceSpace("other", 0.5))])
    assert list(memory.unknown_to("test")) == ["Ben"]
    assert set(memory.known_vectors("test")) == {"Anna"}
