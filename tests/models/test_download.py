from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.core.errors import DownloadError, ModelError
from earshot.models.download import RetryPolicy, check_url, download
from earshot.models.partial import Expected

from .server import FileServer, serving

BODY = os.urandom(300_000)
QUICK = RetryPolicy(attempts=3, first_delay=0.01, timeout=5)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


EXACT = Expected(size=len(BODY), sha256=sha256(BODY))


def fetch(server: FileServer, target: Path, expected: Expected | None = EXACT, **options: object) -> bytes:
    record = download(server.url("/model.zip"), target, expected=expected, retry=QUICK, **options)  # type: ignore[arg-type]
    data = target.read_bytes()
    assert (record.size, record.sha256) == (len(data), sha256(data))
    assert not target.with_name(target.name + ".partial").exists()
    return data


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "model.zip"


@pytest.fixture(autouse=True)
def _body(server: FileServer) -> None:
    server.files["/model.zip"] = BODY


def test_a_file_arrives_with_its_progress(server: FileServer, target: Path) -> None:
    steps: list[tuple[float, float | None]] = []
    assert fetch(server, target, progress=lambda done, total: steps.append((done, total))) == BODY
    assert steps[0] == (0, len(BODY))
    assert steps[-1] == (len(BODY), len(BODY))
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)


def test_a_cut_connection_is_continued_where_it_broke(server: FileServer, target: Path) -> None:
    server.cuts = [100_000, 50_000]
    assert fetch(server, target) == BODY
    assert server.requests == [
        ("/model.zip", None),
        ("/model.zip", "bytes=100000-"),
        ("/model.zip", "bytes=150000-"),
    ]


def test_after_too_many_cuts_the_next_call_continues(server: FileServer, target: Path) -> None:
    server.cuts = [90_000, 0, 0]
    with pytest.raises(DownloadError, match="cut after 90000 of 300000") as caught:
        fetch(server, target)
    assert "0.1 MB are kept" in (caught.value.fix or "")
    assert not target.exists()
    assert fetch(server, target) == BODY
    assert server.requests[-1] == ("/model.zip", "bytes=90000-")


def test_a_server_without_ranges_sends_all_again(server: FileServer, target: Path) -> None:
    server.has_ranges = False
    server.cuts = [200_000]
    assert fetch(server, target) == BODY


def test_a_file_that_was_replaced_meanwhile_is_begun_again(server: FileServer, target: Path) -> None:
    server.cuts = [100_000, 0, 0]
    with pytest.raises(DownloadError):
        fetch(server, target)
    newer = os.urandom(len(BODY))
    server.files["/model.zip"] = newer
    assert fetch(server, target, Expected()) == newer


def test_parts_of_two_versions_are_never_joined(server: FileServer, target: Path) -> None:
    """Without an ETag only the checksum tells that the file was replaced; then all is fetched anew."""
    server.has_etag = False
    server.cuts = [100_000, 0, 0]
    with pytest.raises(DownloadError):
        fetch(server, target, Expected(sha256=sha256(BODY)))
    newer = os.urandom(len(BODY))
    server.files["/model.zip"] = newer
    assert fetch(server, target, Expected(sha256=sha256(newer))) == newer
    server.cuts = [100_000, 0, 0]
    target.unlink()
    with pytest.raises(DownloadError):
        fetch(server, target, Expected())
    server.requests.clear()
    assert fetch(server, target, Expected()) == newer
    assert server.requests[0] == ("/model.zip", None)


@pytest.mark.parametrize(
    "expected", [Expected(sha256="0" * 64), Expected(md5="0" * 32), Expected(len(BODY), "f" * 64)]
)
def test_a_wrong_checksum_leaves_nothing(server: FileServer, target: Path, expected: Expected) -> None:
    with pytest.raises(DownloadError, match=r"SHA-256 is|MD5 is") as caught:
        fetch(server, target, expected)
    assert isinstance(caught.value, ModelError)
    assert not any(path.suffix == ".partial" for path in target.parent.iterdir())
    assert not target.exists()


def test_the_makers_md5_is_enough(server: FileServer, target: Path) -> None:
    assert fetch(server, target, Expected(md5=hashlib.md5(BODY).hexdigest())) == BODY


def test_another_size_than_expected_is_refused_before_the_body(server: FileServer, target: Path) -> None:
    steps: list[float] = []
    with pytest.raises(DownloadError, match="has 300000 bytes instead of 299999"):
        fetch(server, target, Expected(size=299_999), progress=lambda done, _: steps.append(done))
    assert not steps


def test_a_body_without_a_length(server: FileServer, target: Path) -> None:
    server.has_length = False
    assert fetch(server, target) == BODY
    target.unlink()
    server.cuts = [70_000]
    assert fetch(server, target) == BODY


def test_an_endless_body_is_cut_off(server: FileServer, target: Path) -> None:
    server.has_length = False
    with pytest.raises(DownloadError, match="more than it announced"):
        fetch(server, target, Expected(max_size=200_000))
    server.extra = b"x" * 100_000
    with pytest.raises(DownloadError, match="more than it announced"):
        fetch(server, target, Expected(size=len(BODY)))


def test_what_arrived_whole_before_is_not_fetched_again(server: FileServer, target: Path) -> None:
    for expected in (EXACT, Expected()):
        fetch(server, target, expected)
        server.requests.clear()
        assert fetch(server, target, expected) == BODY
        assert server.requests == []


def test_what_arrived_from_another_address_is_not_used(server: FileServer, target: Path) -> None:
    server.files["/other.zip"] = b"other"
    download(server.url("/other.zip"), target, retry=QUICK)
    assert fetch(server, target, Expected()) == BODY


@pytest.mark.parametrize(
    ("status", "message"),
    [(404, "is not there"), (410, "is not there"), (403, "refuses"), (418, "answers 418")],
)
def test_final_answers_are_final(server: FileServer, target: Path, status: int, message: str) -> None:
    server.statuses = [status]
    with pytest.raises(DownloadError, match=message) as caught:
        fetch(server, target)
    assert caught.value.fix
    assert len(server.requests) == 1
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_in_trouble_is_asked_again(server: FileServer, target: Path, status: int) -> None:
    server.statuses = [status]
    assert fetch(server, target) == BODY
    server.statuses = [status] * 3
    target.unlink()
    with pytest.raises(DownloadError, match=f"answers {status}"):
        fetch(server, target)


def test_a_server_that_is_not_there(target: Path) -> None:
    with serving(FileServer()) as gone:
        pass
    with pytest.raises(DownloadError, match="refused"):
        fetch(gone, target)


def test_a_redirect_is_followed(server: FileServer, target: Path) -> None:
    server.redirects["/model.zip"] = "/elsewhere"
    server.files["/elsewhere"] = BODY
    server.cuts = [100_000]
    assert fetch(server, target) == BODY


@pytest.mark.parametrize(
    "where", ["http://example.com/model.zip", "ftp://127.0.0.1/x", "file:///etc/passwd", "http://["]
)
def test_a_redirect_to_somewhere_unsafe_is_not_followed(server: FileServer, target: Path, where: str) -> None:
    server.redirects["/model.zip"] = where
    with pytest.raises(DownloadError, match=r"not encrypted|no https address|broken address|answers 302"):
        fetch(server, target)
    assert not target.exists()


def test_redirects_in_a_circle(server: FileServer, target: Path) -> None:
    server.redirects["/model.zip"] = "/model.zip"
    with pytest.raises(DownloadError, match="answers 302"):
        fetch(server, target)


@pytest.mark.parametrize(
    "url",
    ["http://example.com/x", "ftp://example.com/x", "file:///etc/passwd", "/etc/passwd", "", "https://",
     "https://user:password@example.com/", "https://example.com:port/", "http://127.0.0.1.example.com/"],
)  # fmt: skip
def test_only_https_may_be_fetched(url: str, target: Path) -> None:
    with pytest.raises(DownloadError, match=r"no https address|not encrypted|no address"):
        download(url, target)


@pytest.mark.parametrize(
    "url", ["https://example.com/x", "http://localhost:80/x", "http://[::1]/x", "http://127.9.9.9/"]
)
def test_https_and_this_machine_may(url: str) -> None:
    assert check_url(url).hostname


def test_the_network_can_be_forbidden(
    server: FileServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARSHOT_OFFLINE", "1")
    with pytest.raises(DownloadError, match="EARSHOT_OFFLINE"):
        fetch(server, target)
    assert server.requests == []
    monkeypatch.setenv("EARSHOT_OFFLINE", "0")
    assert fetch(server, target) == BODY


def test_a_repacked_body_is_refused(server: FileServer, target: Path) -> None:
    server.encoding = "gzip"
    with pytest.raises(DownloadError, match="re-packed"):
        fetch(server, target)


def test_a_proxy_is_not_asked_for_this_machine(
    server: FileServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert fetch(server, target) == BODY


def test_too_little_space_is_said_before(server: FileServer, small_disk: Path) -> None:
    server.files["/model.zip"] = os.urandom(3 * 2**20)
    with pytest.raises(DownloadError, match=r"needs 20 MB, .* has 2 MB free"):
        fetch(server, small_disk / "model.zip", Expected())


def test_a_disk_that_fills_up_keeps_what_fitted(server: FileServer, small_disk: Path, tmp_path: Path) -> None:
    body = os.urandom(3 * 2**20)
    server.files["/model.zip"] = body
    server.has_length = False  # so that nobody knows before
    target = small_disk / "model.zip"
    with pytest.raises(DownloadError, match="disk is full") as caught:
        fetch(server, target, Expected(sha256=sha256(body)))
    assert "goes on where it stopped" in (caught.value.fix or "")
    kept = (small_disk / "model.zip.partial").stat().st_size
    assert kept > 2**20
    for path in small_disk.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert fetch(server, tmp_path / "model.zip", Expected(sha256=sha256(body))) == body
    assert server.requests[-1] == ("/model.zip", f"bytes={kept}-")


def test_a_folder_that_may_not_be_written(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DownloadError, match="cannot write"):
        fetch(server, tmp_path / "file" / "model.zip")


def test_broken_notes_begin_anew(server: FileServer, target: Path) -> None:
    for notes in (
        b"{",
        b"[]",
        b'{"url": 3}',
        b'{"url": "%s", "total": "x"}' % server.url("/model.zip").encode(),
    ):
        target.with_name("model.zip.notes").write_bytes(notes)
        target.with_name("model.zip.partial").write_bytes(b"rubbish")
        assert fetch(server, target) == BODY
        target.unlink()


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 40_000), max_size=12), has_ranges=st.booleans(), has_length=st.booleans())
def test_however_often_it_is_cut_the_file_is_whole(cuts: list[int], has_ranges: bool, has_length: bool) -> None:
    body = BODY[:50_000]
    patient = RetryPolicy(attempts=20, first_delay=0, timeout=5)
    with (
        serving(FileServer({"/x": body}, cuts=cuts, has_ranges=has_ranges, has_length=has_length)) as cutting,
        tempfile.TemporaryDirectory() as folder,
    ):
        target = Path(folder) / "x"
        download(cutting.url("/x"), target, expected=Expected(len(body), sha256(body)), retry=patient)
        assert target.read_bytes() == body
