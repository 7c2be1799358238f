"""The library's file: what is stored stays, whatever is written at the same time or put into names."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.core.errors import OutputError, SessionError
from earshot.core.types import Segment, Transcript, Word
from earshot.server import library_editing as editing
from earshot.server.library import Library, timestamp
from earshot.server.library_schema import MIGRATIONS, migrate
from earshot.server.library_types import ConflictError, LibrarySession, NoSessionError
from earshot.server.library_words import corrected_text


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    opened = Library(tmp_path)
    yield opened
    opened.close()


def session(name: str = "a", title: str = "A title", created: str | None = None) -> LibrarySession:
    return LibrarySession(name, title, created or timestamp(), "upload", "ready")


def segment(text: str, start: float = 0.0, speaker: str | None = None) -> Segment:
    words = tuple(
        Word(word, start + index * 0.5, start + index * 0.5 + 0.4, 0.9, "aligned")
        for index, word in enumerate(text.split())
    )
    return Segment(text, start, start + 10.0, words, speaker, "en")


def stored(library: Library, *texts: str, name: str = "a", title: str = "A title") -> None:
    library.add(session(name, title))
    segments = tuple(segment(text, 10.0 * index) for index, text in enumerate(texts))
    library.put_transcript(name, Transcript(segments, "en", 60.0, "moonshine/tiny-en"))


def test_what_was_said_comes_back_exactly(library: Library) -> None:
    said = Transcript((segment("It was the best of times,", 0.5, "S1"),), "en", 12.25, "moonshine/tiny-en")
    library.add(session())
    library.put_transcript("a", said)
    assert editing.transcript(library, "a") == said
    found = library.get("a")
    assert (found.num_words, found.duration, found.engine) == (6, 12.25, "moonshine/tiny-en")
    assert found.excerpt == "It was the best of times,"


def test_the_newest_session_comes_first_and_pages_do_not_overlap(library: Library) -> None:
    for number in range(7):
        library.add(session(f"s{number}", created=f"2026-11-2{number}T10:00:00.000Z"))
    first = library.sessions(limit=4)
    second = library.sessions(limit=4, before=first[-1].id)
    assert [entry.id for entry in first + second] == [f"s{number}" for number in (6, 5, 4, 3, 2, 1, 0)]


def test_a_word_is_corrected_beside_the_original(library: Library) -> None:
    stored(library, "the fort of a tail")
    word = editing.correct(library, "a", 0, 4, "tale", version=1)
    assert word == {"text": "tail", "correction": "tale", "version": 2}
    assert editing.transcript(library, "a").text == "the fort of a tale"
    assert editing.transcript(library, "a", is_corrected=False).text == "the fort of a tail"
    editing.correct(library, "a", 0, 4, None, version=2)
    assert editing.transcript(library, "a").text == "the fort of a tail"
    history = editing.history(library, "a", 0, 4)
    assert [entry["text"] for entry in history] == ["tale", None]
    assert all(entry["created"].endswith("Z") for entry in history)


def test_several_words_in_place_of_one_share_its_time(library: Library) -> None:
    stored(library, "in newyork today")
    editing.correct(library, "a", 0, 1, "New York", version=1)
    words = editing.transcript(library, "a").words
    assert [word.text for word in words] == ["in", "New", "York", "today"]
    assert words[1].start == 0.5
    assert words[1].end == words[2].start
    assert words[2].end == pytest.approx(0.9)


def test_a_removed_word_is_neither_read_nor_found(library: Library) -> None:
    stored(library, "the uhm answer")
    editing.correct(library, "a", 0, 1, "", version=1)
    assert editing.transcript(library, "a").text == "the answer"
    assert library.search("uhm") == []


def test_of_two_writers_the_second_is_told_what_the_first_wrote(library: Library) -> None:
    stored(library, "a tail")
    editing.correct(library, "a", 0, 1, "tale", version=1)
    with pytest.raises(ConflictError) as conflict:
        editing.correct(library, "a", 0, 1, "tile", version=1)
    assert conflict.value.current == {"text": "tail", "correction": "tale", "version": 2}
    assert editing.transcript(library, "a").text == "a tale"


def test_of_many_writers_at_once_exactly_one_wins(library: Library) -> None:
    stored(library, "word")
    outcomes: list[str] = []

    def write(text: str) -> None:
        try:
            editing.correct(library, "a", 0, 0, text, version=1)
            outcomes.append(text)
        except ConflictError:
            outcomes.append("")

    threads = [threading.Thread(target=write, args=(f"w{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [winner] = [text for text in outcomes if text]
    assert editing.transcript(library, "a").text == winner


def test_search_finds_words_titles_corrections_and_beginnings(library: Library) -> None:
    stored(library, "the winter of despair", "the spring of hope", title="A Tale")
    stored(library, "no season here", name="b", title="Épilogue")
    [hit] = library.search("spring")
    assert (hit.session.id, hit.segment, hit.start) == ("a", 1, 10.0)
    assert hit.snippet == "the \x02spring\x03 of hope"
    assert [found.segment for found in library.search("desp")] == [0]
    assert [found.session.id for found in library.search("epilogue")] == ["b"]
    editing.correct(library, "a", 1, 3, "joy", version=1)
    assert [found.segment for found in library.search("joy")] == [1]
    assert library.search("hope") == []


@pytest.mark.parametrize(
    "text",
    ['"', "AND", "NEAR(", "a OR b", "text:", "*", "'; DROP TABLE sessions; --", "-", "\x00", "^a", "(" * 400],
)
def test_no_search_is_an_error(library: Library, text: str) -> None:
    stored(library, "plain words")
    library.search(text)
    assert library.get("a").num_words == 2


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_any_text_can_be_searched_for(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    opened = Library(tmp_path_factory.mktemp("library"))
    try:
        opened.search(text)
    finally:
        opened.close()


def test_sql_and_html_are_only_text(library: Library) -> None:
    evil = "<img src=x onerror=alert(1)> '); DROP TABLE words; --"
    stored(library, evil, title=evil)
    library.rename("a", evil)
    assert library.get("a").title == evil
    assert editing.transcript(library, "a").text == evil
    assert [hit.segment for hit in library.search("onerror")] == [None, 0] or library.search("onerror")


def test_deleting_takes_all_along_and_nothing_else(library: Library) -> None:
    stored(library, "alpha beta")
    stored(library, "alpha gamma", name="b")
    editing.correct(library, "a", 0, 1, "delta", version=1)
    library.delete("a")
    assert [hit.session.id for hit in library.search("alpha")] == ["b"]
    with pytest.raises(NoSessionError):
        library.get("a")
    with library.connection() as connection:
        left = [
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("segments", "words", "corrections", "found")
        ]
    assert left == [1, 2, 0, 2]


def test_a_session_under_way_is_not_deleted(library: Library) -> None:
    library.add(LibrarySession("a", "Now", timestamp(), "live", "recording"))
    with pytest.raises(SessionError, match="under way"):
        library.delete("a")
    assert library.get("a").state == "recording"


def test_speakers_are_named_and_passages_given_to_them(library: Library) -> None:
    library.add(session())
    library.put_transcript(
        "a", Transcript((segment("one", 0, "S1"), segment("two", 10, "S2"), segment("three", 20, "S1")))
    )
    assert editing.rename_speaker(library, "a", "S1", "Ada") == {"S1": "Ada", "S2": "S2"}
    names, label = editing.set_speaker(library, "a", 1, 1, "Ada")
    assert (names, label) == ({"S1": "Ada"}, "S1")
    assert [entry.speaker for entry in editing.transcript(library, "a").segments] == ["Ada"] * 3
    editing.set_speaker(library, "a", 2, 2, None)
    assert editing.transcript(library, "a").segments[2].speaker is None
    with pytest.raises(NoSessionError):
        editing.rename_speaker(library, "a", "S9", "Nobody")


def test_a_new_transcript_takes_the_place_of_the_old_one(library: Library) -> None:
    stored(library, "first attempt")
    library.put_transcript("a", Transcript((segment("second attempt"),)))
    assert editing.transcript(library, "a").text == "second attempt"
    assert library.search("first") == []


def test_a_failure_in_the_middle_leaves_what_was_there(library: Library) -> None:
    stored(library, "before")
    broken = Segment("after", 0.0, 1.0, (Word("after", "no number"),))  # type: ignore[arg-type]
    with pytest.raises(SessionError):
        library.put_transcript("a", Transcript((segment("fine"), broken)))
    assert editing.transcript(library, "a").text == "before"


def test_a_full_disk_is_told_and_costs_nothing_stored(library: Library) -> None:
    stored(library, "kept")
    with library.connection() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
    library.add(session("b"))
    with pytest.raises(OutputError, match="disk is full"):
        library.put_transcript("b", Transcript(tuple(segment("many words " * 200, i) for i in range(50))))
    assert editing.transcript(library, "a").text == "kept"
    assert library.get("b").num_words == 0


# --- versions ----------------------------------------------------------------------------------------------


def test_a_library_of_a_newer_version_is_refused_and_untouched(tmp_path: Path) -> None:
    Library(tmp_path).close()
    path = tmp_path / "library.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
        connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(SessionError, match="newer Earshot"):
        Library(tmp_path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["library.sqlite3"]


def test_a_database_of_somebody_else_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "library.sqlite3") as connection:
        connection.execute("CREATE TABLE sessions (x)")
    connection.close()
    with pytest.raises(SessionError, match="no library of Earshot"):
        Library(tmp_path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "library.sqlite3").write_bytes(b"not a database at all" * 100)
    with pytest.raises(SessionError, match="damaged or no library"):
        Library(tmp_path)


def test_a_migration_runs_once_and_whole_or_not_at_all(tmp_path: Path) -> None:
    Library(tmp_path).close()
    path = tmp_path / "library.sqlite3"
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        broken = (*MIGRATIONS, "CREATE TABLE extra (x); CREATE TABLE extra (x);")
        with pytest.raises(sqlite3.Error):
            migrate(connection, path, broken)
        assert connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
        assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'extra'").fetchone()
        good = (*MIGRATIONS, "CREATE TABLE extra (x);")
        migrate(connection, path, good)
        migrate(connection, path, good)
        assert connection.execute("PRAGMA user_version").fetchone()[0] == len(good)
    finally:
        connection.close()


def test_the_library_keeps_to_the_rules_it_names(library: Library) -> None:
    with library.connection() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert connection.execute("PRAGMA foreign_keys").fetchone()[0] == 1
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(
                'INSERT INTO segments (session_id, position, start, "end", text) VALUES (?, 0, 0, 0, ?)',
                ("nobody", ""),
            )


# --- words in a text ---------------------------------------------------------------------------------------


def test_what_stands_between_words_stays() -> None:
    words = ["“Yes,”", "she", "said.", "No"]
    assert corrected_text("“Yes,” she said. — No", words, {3: "Now"}) == "“Yes,” she said. — Now"


@given(st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=8), st.data())
def test_correcting_a_word_changes_no_other(words: list[str], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(words) - 1))
    new = corrected_text(" ".join(words), words, {index: "X"}).split()
    assert new == [*words[:index], "X", *words[index + 1 :]]
