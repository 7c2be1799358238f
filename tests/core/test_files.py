from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from earshot.core.errors import OutputError
from earshot.core.files import atomic_binary, atomic_text
from tests.audio.unprivileged import as_nobody


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestWhole:
    def test_text_is_written_as_given(self, tmp_path: Path) -> None:
        path = tmp_path / "new" / "folder" / "a.txt"
        with atomic_text(path) as file:
            file.write("grün\r\nы\n")
        assert path.read_bytes() == "grün\r\nы\n".encode()
        assert names_in(path.parent) == ["a.txt"]

    def test_bytes_replace_the_old_file(self, tmp_path: Path) -> None:
        path = tmp_path / "a.bin"
        path.write_bytes(b"old and longer")
        with atomic_binary(path) as file:
            file.write(b"new")
            assert path.read_bytes() == b"old and longer"
        assert path.read_bytes() == b"new"

    @pytest.mark.skipif(os.name != "posix", reason="permission bits of POSIX")
    def test_a_result_is_an_ordinary_file(self, tmp_path: Path) -> None:
        (tmp_path / "plain").write_bytes(b"")
        with atomic_binary(tmp_path / "ours") as file:
            file.write(b"x")
        modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "ours")]
        assert modes[0] == modes[1]

    def test_a_name_as_long_as_names_may_be(self, tmp_path: Path) -> None:
        path = tmp_path / ("x" * 255)
        with atomic_binary(path) as file:
            file.write(b"x")
        assert path.read_bytes() == b"x"

    def test_of_two_writers_the_last_wins_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        with atomic_text(path) as first:
            first.write("first" * 100_000)
            with atomic_text(path) as second:
                second.write("second" * 100_000)
            assert path.read_text() == "second" * 100_000
        assert path.read_text() == "first" * 100_000
        assert names_in(tmp_path) == ["a.txt"]

    def test_readers_never_see_a_part(self, tmp_path: Path) -> None:
        path = tmp_path / "a.bin"
        contents = [bytes([letter]) * 200_000 for letter in b"abcd"]
        path.write_bytes(contents[0])

        def write(content: bytes) -> None:
            for _ in range(5):
                with atomic_binary(path) as file:
                    for start in range(0, len(content), 50_000):
                        file.write(content[start : start + 50_000])

        writers = [threading.Thread(target=write, args=(content,)) for content in contents]
        for writer in writers:
            writer.start()
        while any(writer.is_alive() for writer in writers):
            assert path.read_bytes() in contents
        for writer in writers:
            writer.join()
        assert path.read_bytes() in contents
        assert names_in(tmp_path) == ["a.bin"]


class TestInterrupted:
    @pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt, SystemExit])
    def test_the_old_file_stays_and_nothing_else(
        self, tmp_path: Path, interruption: type[BaseException]
    ) -> None:
        path = tmp_path / "a.txt"
        path.write_text("old")
        with pytest.raises(interruption), atomic_text(path) as file:  # noqa: PT012 - both lines are the point
            file.write("new" * 10_000)
            raise interruption
        assert path.read_text() == "old"
        assert names_in(tmp_path) == ["a.txt"]

    @pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
    def test_a_killed_writer_leaves_the_old_file(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        path.write_text("old")
        code = (
            "import os, signal, sys\n"
            "from earshot.core.files import atomic_text\n"
            "with atomic_text(sys.argv[1]) as file:\n"
            "    file.write('new' * 100_000)\n"
            "    file.flush()\n"
            "    os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        assert subprocess.run([sys.executable, "-c", code, str(path)]).returncode != 0
        assert path.read_text() == "old"
        rest = [name for name in names_in(tmp_path) if name != "a.txt"]
        assert all(name.startswith(".a.txt.") and name.endswith(".partial") for name in rest)


class TestRefused:
    def refused(self, path: Path, message: str) -> None:
        with pytest.raises(OutputError, match=message) as caught, atomic_text(path) as file:
            file.write("new")
        assert caught.value.fix
        assert "\n" not in str(caught.value)
        assert isinstance(caught.value, OSError)

    def test_a_folder_of_that_name(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").mkdir()
        self.refused(tmp_path / "a.txt", "it is a folder")
        assert names_in(tmp_path) == ["a.txt"]

    def test_a_file_in_place_of_the_folder(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        self.refused(tmp_path / "file" / "a.txt", "cannot write")
        self.refused(tmp_path / "file" / "deeper" / "a.txt", "cannot write")

    def test_a_name_that_is_too_long(self, tmp_path: Path) -> None:
        self.refused(tmp_path / ("x" * 300), "too long")
        assert names_in(tmp_path) == []

    def test_a_read_only_folder(self, tmp_path: Path) -> None:
        folder = tmp_path / "locked"
        folder.mkdir()
        folder.chmod(0o500)
        try:
            with as_nobody():
                self.refused(folder / "a.txt", "permission denied")
        finally:
            folder.chmod(0o700)
        assert names_in(folder) == []

    @pytest.fixture
    def small_disk(self, tmp_path: Path) -> Iterator[Path]:
        disk = tmp_path / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
        try:
            is_mounted = subprocess.run(mount, capture_output=True).returncode == 0
        except OSError:
            is_mounted = False
        if not is_mounted:
            pytest.skip("a small disk can be mounted by root alone")
        yield disk
        subprocess.run(["umount", str(disk)], check=True)

    def test_a_full_disk_leaves_the_old_file(self, small_disk: Path) -> None:
        path = small_disk / "a.bin"
        path.write_bytes(b"old")
        with pytest.raises(OutputError, match="the disk is full") as caught, atomic_binary(path) as file:
            file.write(bytes(4_000_000))
        assert caught.value.fix
        assert path.read_bytes() == b"old"
        assert names_in(small_disk) == ["a.bin"]

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
    def test_a_read_only_file_system(self, small_disk: Path) -> None:
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        self.refused(small_disk / "a.txt", "read-only")
