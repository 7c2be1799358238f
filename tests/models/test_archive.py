from __future__ import annotations

import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.core.errors import ModelError
from earshot.models.archive import Limits, extract, is_archive
from earshot.models.names import safe_parts

from .conftest import zipped


def unpack(tmp_path: Path, data: bytes, limits: Limits | None = None) -> Path:
    archive = tmp_path / "model.archive"
    archive.write_bytes(data)
    target = tmp_path / "out" / "content"
    target.mkdir(parents=True)
    return extract(archive, target, limits=limits)


def tarred(*members: tarfile.TarInfo, mode: str = "w", content: bytes = b"data") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for member in members:
            member.size = len(content) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(content) if member.isreg() else None)
    return buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in fields.items():
        setattr(info, key, value)
    return info


def assert_refused(tmp_path: Path, data: bytes, because: str, limits: Limits | None = None) -> None:
    outside = {path for path in tmp_path.rglob("*") if "out" not in path.parts}
    with pytest.raises(ModelError, match=because) as caught:
        unpack(tmp_path, data, limits)
    assert "\n" not in str(caught.value)
    after = {path for path in tmp_path.rglob("*") if "out" not in path.parts}
    assert after - outside <= {tmp_path / "model.archive"}
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))


FILES = {"am/final.mdl": b"abc", "conf/model.conf": b"", "graph/Gr.fst": os.urandom(100_000)}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_every_packing_of_tar_gives_the_same_files(tmp_path: Path, mode: str) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in FILES.items():
            info = member(f"./top/{name}", size=len(data))
            archive.addfile(info, io.BytesIO(data))
    content = unpack(tmp_path, buffer.getvalue())
    assert content.name == "top"
    assert {name: (content / name).read_bytes() for name in FILES} == FILES


def test_a_zip_is_unpacked_and_what_macos_adds_is_left_out(tmp_path: Path) -> None:
    data = zipped(
        {**{f"top/{k}": v for k, v in FILES.items()}, "__MACOSX/._x": b"junk", "top/.DS_Store": b"junk"}
    )
    content = unpack(tmp_path, data)
    assert content.name == "top"
    assert {path.relative_to(content).as_posix() for path in content.rglob("*") if path.is_file()} == set(FILES)


def test_files_at_the_top_stay_at_the_top(tmp_path: Path) -> None:
    content = unpack(tmp_path, zipped(FILES))
    assert content.name == "content"
    assert (content / "am" / "final.mdl").read_bytes() == b"abc"


def test_long_names_and_many_members_of_a_tar(tmp_path: Path) -> None:
    names = [f"{'deep' * 30}/{'long' * 30}-{i}" for i in range(700)]
    content = unpack(tmp_path, tarred(*map(member, names), mode="w:gz"))
    assert len(list(content.iterdir())) == 700


HOSTILE_PATHS = {
    "/etc/passwd": "absolute",
    "../../outside": "leads out",
    "a/../../outside": "leads out",
    "C:/outside": "not every system",
    "..\\outside": "backslash",
    "a\x07b": "control",
    "a/" + "x" * 300: "too long",
    "/".join("abcdefghijklmnopqrst"): "too deep",
    "a/nul.txt": "not a name on every system",
    "a/trailing. ": "not a name on every system",
}


@pytest.mark.parametrize("path", HOSTILE_PATHS)
def test_a_hostile_path_in_a_zip(tmp_path: Path, path: str) -> None:
    assert_refused(tmp_path, zipped({"am/final.mdl": b"x", path: b"evil"}), HOSTILE_PATHS[path])


@pytest.mark.parametrize("path", HOSTILE_PATHS)
def test_a_hostile_path_in_a_tar(tmp_path: Path, path: str) -> None:
    assert_refused(tmp_path, tarred(member("fine"), member(path)), HOSTILE_PATHS[path])


def test_a_name_with_a_nul_in_a_zip(tmp_path: Path) -> None:
    data = zipped({"innocent.txtXevil.sh": b"x"}).replace(b"txtXevil", b"txt\x00evil")
    assert_refused(tmp_path, data, "control characters")


def test_a_name_that_is_no_text_in_a_tar(tmp_path: Path) -> None:
    data = tarred(member("nameXX")).replace(b"nameXX", b"name\xff\xfe")
    checksum = sum(data[:148]) + 8 * 32 + sum(data[156:512])
    data = data[:148] + b"%06o\x00 " % checksum + data[156:]
    assert_refused(tmp_path, data, "control characters")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_links_in_a_tar(tmp_path: Path, kind: bytes) -> None:
    link = member("innocent", kind, linkname="../../outside")
    assert_refused(tmp_path, tarred(link, member("innocent/file")), "is a link")


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_in_a_tar(tmp_path: Path, kind: bytes) -> None:
    assert_refused(tmp_path, tarred(member("device", kind)), "no regular file")


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644, stat.S_IFCHR | 0o644])
def test_links_and_devices_in_a_zip(tmp_path: Path, mode: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = mode << 16
        archive.writestr(info, "../../outside")
    assert_refused(tmp_path, buffer.getvalue(), "a link|no regular file")


@pytest.mark.parametrize(
    ("first", "second"), [("a", "a"), ("A", "a"), ("a", "./a"), ("é", "e\u0301"), ("a", "a/b"), ("a/b", "a")]
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_for_one_file(tmp_path: Path, first: str, second: str) -> None:
    assert_refused(tmp_path, tarred(member(first), member(second)), "twice")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_for_one_file_of_a_zip(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model.bin", b"good")
        archive.writestr("MODEL.bin", b"evil")
    assert_refused(tmp_path, buffer.getvalue(), "twice")


def test_an_encrypted_zip(tmp_path: Path) -> None:
    data = bytearray(zipped({"a": b"secret"}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    assert_refused(tmp_path, bytes(data), "encrypted")


def test_a_deflate_bomb(tmp_path: Path) -> None:
    limits = Limits(ratio_counts_from=2**20)
    assert_refused(tmp_path, zipped({"zeros": bytes(20 * 2**20)}), "bomb", limits)


def test_a_bomb_of_a_compressed_tar(tmp_path: Path) -> None:
    data = tarred(member("zeros"), mode="w:bz2", content=bytes(20 * 2**20))
    assert_refused(tmp_path, data, "bomb", Limits(ratio_counts_from=2**20))
    assert sum(path.stat().st_size for path in tmp_path.rglob("zeros")) <= 2**20


def test_a_zip_that_lies_about_its_sizes(tmp_path: Path) -> None:
    data = bytearray(zipped({"zeros": bytes(3 * 2**20)}))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = data.index(signature) + offset
        data[place : place + 4] = struct.pack("<I", 10)
    assert_refused(tmp_path, bytes(data), "damaged|instead of")


def test_more_than_the_whole_may_have(tmp_path: Path) -> None:
    data = zipped({f"{i}": os.urandom(1000) for i in range(50)})
    assert_refused(tmp_path, data, "more than", Limits(max_size=20_000))


def test_too_many_members(tmp_path: Path) -> None:
    assert_refused(tmp_path, zipped({str(i): b"" for i in range(60)}), "60|50 members", Limits(max_members=50))


def test_a_tar_whose_header_claims_to_be_huge(tmp_path: Path) -> None:
    header = member("pax", tarfile.XHDTYPE)
    header.size = 2**31
    data = gzip.compress(header.tobuf(tarfile.USTAR_FORMAT) + bytes(2**22))
    assert_refused(tmp_path, data, "too large")


def whole_archives() -> dict[str, bytes]:
    content = os.urandom(30_000)
    return {
        "zip": zipped({"a": content, "b": content[::-1]}),
        "tar": tarred(member("a"), member("b"), content=content),
        "gz": tarred(member("a"), member("b"), content=content, mode="w:gz"),
        "bz2": tarred(member("a"), member("b"), content=content, mode="w:bz2"),
        "xz": tarred(member("a"), member("b"), content=content, mode="w:xz"),
    }


@pytest.mark.parametrize("packing", ["zip", "tar", "gz", "bz2", "xz"])
@pytest.mark.parametrize("keep", [0.02, 0.5, 0.7])
def test_a_truncated_archive(tmp_path: Path, packing: str, keep: float) -> None:
    data = whole_archives()[packing]
    assert_refused(tmp_path, data[: int(len(data) * keep)], "damaged|ends in the middle|neither")


def test_a_tar_that_ends_between_two_members(tmp_path: Path) -> None:
    data = tarred(member("a"), member("b"))
    assert_refused(tmp_path, data[:1024], "ends in the middle")


@pytest.mark.parametrize(
    "data", [b"", b"PK", b"hello", bytes(10_000), b"\x1f\x8b" + bytes(100), b"BZh9xxxxxxxxxx"]
)
def test_no_archive_at_all(tmp_path: Path, data: bytes) -> None:
    assert_refused(tmp_path, data, "damaged|neither|ends in")


def test_bytes_changed_inside_are_noticed(tmp_path: Path) -> None:
    data = bytearray(whole_archives()["zip"])
    data[5000] ^= 255
    assert_refused(tmp_path, bytes(data), "damaged")


def test_setuid_and_owner_are_not_taken_over(tmp_path: Path) -> None:
    content = unpack(tmp_path, tarred(member("tool", mode=0o6777, uid=0)))
    assert (content / "tool").stat().st_mode & 0o7111 == 0


def test_a_full_disk_is_said(small_disk: Path, tmp_path: Path) -> None:
    archive = tmp_path / "big.tar"
    archive.write_bytes(tarred(member("big"), content=os.urandom(3 * 2**20)))
    with pytest.raises(ModelError, match="disk is full"):
        extract(archive, small_disk)
    archive.write_bytes(zipped({"big": os.urandom(3 * 2**20)}))
    with pytest.raises(ModelError, match="needs 3 MB"):
        extract(archive, small_disk)


@pytest.mark.parametrize("make", [lambda: zipped(FILES), lambda: tarred(member("x"), mode="w:xz")])
def test_archives_are_told_by_their_beginning(tmp_path: Path, make: Callable[[], bytes]) -> None:
    path = tmp_path / "no-suffix"
    path.write_bytes(make())
    assert is_archive(path)
    path.write_bytes(b"words")
    assert not is_archive(path)


@given(st.text(max_size=40))
def test_a_path_that_is_accepted_stays_inside(path: str) -> None:
    try:
        parts = safe_parts(path)
    except ModelError:
        return
    folder = Path("/store/model")
    inside = Path(os.path.normpath(folder.joinpath(*parts)))
    assert inside.is_relative_to(folder)
    assert "\x00" not in path
