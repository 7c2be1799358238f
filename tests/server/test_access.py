"""The gate, through real sockets: names, origins, tokens, sizes and paces of what comes in."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from earshot.core.errors import ServerError
from earshot.server.settings import ServerOptions
from tests.server.sounds import pcm, recording, silence

if TYPE_CHECKING:
    from earshot.server.runner import Server

sync = pytest.importorskip(
    "websockets.sync.client", reason="websockets is not installed: pip install 'earshot[serve]'"
)
from websockets.exceptions import InvalidStatus  # noqa: E402 - after the skip

TOKEN = "a-token-that-nobody-guesses"
SOCKETS = ("/vosk", "/v1/realtime")


@pytest.fixture
def server(scripted_server: Server) -> Server:
    return scripted_server


@pytest.fixture
def locked(serve: Callable[..., Server]) -> Server:
    return serve(token=TOKEN)


def get(server: Server, path: str = "/v1/models", **headers: str) -> httpx.Response:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.get(server.address + path, headers=given, follow_redirects=False)


def socket_status(server: Server, path: str, **headers: str) -> int:
    """101 where the WebSocket is opened, else the status of its refusal."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with sync.connect(server.address.replace("http", "ws") + path, additional_headers=given):
            return 101
    except InvalidStatus as error:
        refused = error.response
    assert json.loads(refused.body)["error"]["message"]
    return refused.status_code


def raw(server: Server, data: bytes, *, timeout: float = 20) -> bytes:
    """All that comes back for raw bytes until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=timeout) as client:
        client.sendall(data)
        answer = b""
        while part := client.recv(65_536):
            answer += part
        return answer


# --- Host ---------------------------------------------------------------------------------------------------


def test_own_names_are_let_in(serve: Callable[..., Server]) -> None:
    server = serve(allowed_hosts=("notes.lan",))
    for host in ("localhost", "127.0.0.1", "[::1]", "LOCALHOST:1234", "notes.lan"):
        assert get(server, Host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "192.168.1.5", "", "[::1", "a b"],
)
def test_other_names_are_refused_also_for_sockets(server: Server, host: str) -> None:
    answer = get(server, Host=host)
    assert answer.status_code == 421
    assert answer.json()["error"]["code"] == "host_not_allowed"
    for path in SOCKETS:
        port_free = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        assert raw(server, (port_free + key).encode()).split(b" ")[1] == b"421"


def test_a_wildcard_address_is_reached_by_numbers_but_by_no_foreign_name(
    serve: Callable[..., Server],
) -> None:
    server = serve(host="0.0.0.0", token=TOKEN)
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    address = f"http://127.0.0.1:{server.port}/v1/models"
    assert httpx.get(address, headers={**bearer, "Host": "192.168.1.5:80"}).status_code == 200
    assert httpx.get(address, headers={**bearer, "Host": "evil.example"}).status_code == 421


# --- Origin -------------------------------------------------------------------------------------------------


def test_pages_of_other_origins_may_not_ask(serve: Callable[..., Server]) -> None:
    server = serve(allowed_origins=("https://notes.lan",))
    for origin in ("http://evil.example", "null", "https://notes.lan:444", "http://localhost:1", "file://"):
        assert get(server, Origin=origin).status_code == 403
        for path in SOCKETS:
            assert socket_status(server, path, Origin=origin) == 403
    for origin in (server.address, "https://notes.lan"):
        assert get(server, Origin=origin).status_code == 200
        for path in SOCKETS:
            assert socket_status(server, path, Origin=origin) == 101


def test_only_allowed_pages_may_read_answers(serve: Callable[..., Server]) -> None:
    server = serve(allowed_origins=("https://notes.lan",))
    allowed = get(server, Origin="https://notes.lan")
    assert allowed.headers["access-control-allow-origin"] == "https://notes.lan"
    assert "access-control-allow-origin" not in get(server).headers
    preflight = httpx.options(
        f"{server.address}/v1/audio/transcriptions",
        headers={
            "Origin": "https://notes.lan",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization",
        },
    )
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-headers"] == "authorization"


def test_what_other_pages_embed_is_refused_and_visits_are_not(server: Server) -> None:
    assert get(server, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors").status_code == 403
    assert get(server, Sec_Fetch_Site="same-site", Sec_Fetch_Mode="no-cors").status_code == 403
    assert get(server, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status_code == 200
    assert get(server, Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="cors").status_code == 200


def test_answers_forbid_browsers_what_they_need_not_do(server: Server) -> None:
    headers = get(server).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "default-src" in headers["content-security-policy"]


# --- token --------------------------------------------------------------------------------------------------


def test_without_the_token_nothing_is_told(locked: Server) -> None:
    for value in (None, "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer", "Bearer \xff"):
        headers = {} if value is None else {"Authorization": value.encode("latin-1")}
        answer = httpx.get(f"{locked.address}/v1/models", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"
        assert TOKEN not in answer.text
    for path in SOCKETS:
        assert socket_status(locked, path) == 401
        assert socket_status(locked, f"{path}?token=wrong") == 401
    assert get(locked, "/metrics").status_code == 401
    assert get(locked, "/openapi.json").status_code == 401
    assert get(locked, "/healthz").status_code == 200


def test_the_token_opens_by_every_door_of_its_kind(locked: Server) -> None:
    assert get(locked, Authorization=f"Bearer {TOKEN}").status_code == 200
    for path in SOCKETS:
        assert socket_status(locked, path, Authorization=f"Bearer {TOKEN}") == 101
        assert socket_status(locked, f"{path}?token={TOKEN}") == 101
    url = locked.address.replace("http", "ws") + "/v1/realtime"
    protocols: Any = ["realtime", f"openai-insecure-api-key.{TOKEN}"]
    with sync.connect(url, subprotocols=protocols) as opened:
        assert opened.subprotocol == "realtime"


def test_a_token_in_an_address_opens_the_page_alone(locked: Server) -> None:
    assert get(locked, f"/v1/models?token={TOKEN}").status_code == 401
    assert get(locked, "/?token=wrong").status_code == 401
    answer = get(locked, f"/?token={TOKEN}&view=list")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/?view=list"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie
    pair = cookie.split(";")[0]
    assert get(locked, Cookie=pair).status_code == 200
    assert get(locked, Cookie=pair + "x").status_code == 401
    assert socket_status(locked, "/vosk", Cookie=pair) == 101


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "earshot.lan"])
def test_an_address_that_others_reach_needs_a_token(host: str) -> None:
    with pytest.raises(ServerError, match="a token is required"):
        ServerOptions(host=host)
    assert ServerOptions(host=host, token=TOKEN).host == host


@pytest.mark.parametrize(
    "token", ["", "short", "with space in the middle", "umlauts-äöü-are-not-good", "a\n" * 20]
)
def test_a_token_that_could_be_guessed_or_misread_is_refused(token: str) -> None:
    with pytest.raises(ServerError, match="a token has at least"):
        ServerOptions(token=token)


def test_the_token_shows_in_no_representation() -> None:
    assert TOKEN not in repr(ServerOptions(token=TOKEN))


# --- size and pace ------------------------------------------------------------------------------------------


@contextmanager
def bystander(server: Server) -> Iterator[None]:
    """Somebody who speaks all the while and shall not notice anything."""
    with sync.connect(server.address.replace("http", "ws") + "/vosk") as other:
        other.send(pcm(silence(0.5)))
        assert json.loads(other.recv(timeout=20))["partial"] == "the"
        yield
        other.send(pcm(silence(0.5)))
        assert json.loads(other.recv(timeout=20))["partial"] == "the quick"


def test_a_body_that_says_it_is_too_large_is_refused_unread(serve: Callable[..., Server]) -> None:
    server = serve(max_upload_bytes=100_000)
    head = b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    for length in (300_000, 10**17):
        with bystander(server):
            answer = raw(server, head % length)
        assert answer.split(b" ")[1] == b"413"
        assert b"body_too_large" in answer


def test_a_file_over_the_limit_is_refused_while_it_comes(serve: Callable[..., Server]) -> None:
    server = serve(max_upload_bytes=100_000)
    answer = httpx.post(
        f"{server.address}/v1/audio/transcriptions",
        data={"model": "whisper-1"},
        files={"file": recording(silence(4))},
    )
    assert answer.status_code == 413
    fits = httpx.post(
        f"{server.address}/v1/audio/transcriptions",
        data={"model": "whisper-1"},
        files={"file": recording(silence(3))},
    )
    assert fits.status_code == 200


def test_an_endless_body_is_cut_off(serve: Callable[..., Server]) -> None:
    server = serve(max_upload_bytes=100_000)
    head = (
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    start = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    with bystander(server), socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(head + b"%x\r\n%s\r\n" % (len(start), start))
        block = b"%x\r\n%s\r\n" % (50_000, b"\0" * 50_000)
        with pytest.raises(OSError, match=r"reset|pipe"):
            client.sendall(block * 10_000)
    left = [path for path in server.options.upload_folder.rglob("*") if path.is_file()]
    assert {path.name for path in left} == {"lock"}


def test_other_routes_take_little(serve: Callable[..., Server]) -> None:
    server = serve(max_body_bytes=1_000)
    answer = httpx.request("GET", f"{server.address}/v1/models", content=b"x" * 5_000)
    assert answer.status_code == 413


def test_a_body_that_does_not_come_is_given_up(serve: Callable[..., Server]) -> None:
    server = serve(body_timeout=0.4)
    head = (
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
    )
    with bystander(server):
        answer = raw(server, head)
    assert answer.split(b" ")[1] == b"408"


def test_a_body_that_drips_is_given_up(serve: Callable[..., Server]) -> None:
    server = serve(body_timeout=0.5)
    head = (
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
    )
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(head)
        client.settimeout(0.1)
        answer = b""
        while not answer and time.monotonic() < started + 10:
            client.sendall(b"-")
            try:
                answer = client.recv(1_000)
            except TimeoutError:
                continue
    assert answer.split(b" ")[1] == b"408"


def test_a_head_that_does_not_end_is_given_up(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    from earshot.server.http_protocol import PatientProtocol

    monkeypatch.setattr(PatientProtocol, "head_timeout", 0.4)
    server = serve()
    assert raw(server, b"GET / HTTP/1.1\r\nHost: loc") == b""
    assert raw(server, b"") == b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(65_536).split(b" ")[1] == b"200"
        client.sendall(b"GET /heal")  # a second request, which is never finished
        while client.recv(65_536):
            pass


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: localhost\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nx",
    ],
    ids=["TLS", "version", "two hosts", "long header", "two lengths"],
)
def test_what_is_no_good_http_is_answered_by_an_error(server: Server, data: bytes) -> None:
    with bystander(server):
        answer = raw(server, data + b"\r\n\r\n", timeout=30)
    assert answer.split(b" ")[1] in (b"400", b"421", b"431")


def test_more_streams_than_allowed_are_told_to_come_later(serve: Callable[..., Server]) -> None:
    server = serve(max_uploads=0)
    answer = httpx.post(
        f"{server.address}/v1/audio/transcriptions",
        data={"model": "whisper-1"},
        files={"file": recording(silence(1))},
    )
    assert answer.status_code == 429
    assert answer.json()["error"]["type"] == "rate_limit_error"
    assert int(answer.headers["retry-after"]) > 0


def test_more_connections_than_allowed_are_turned_away(serve: Callable[..., Server]) -> None:
    server = serve(max_connections=3)
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3)]
    time.sleep(0.2)
    assert get(server, "/healthz").status_code == 503
    for client in idle:
        client.close()
    time.sleep(0.2)
    assert get(server, "/healthz").status_code == 200


def test_a_recording_over_the_longest_is_refused_whatever_its_header_says(
    serve: Callable[..., Server],
) -> None:
    server = serve(max_duration=2.0)
    lying = bytearray(recording(silence(5)))
    lying[40:44] = (3_200).to_bytes(4, "little")  # the length of the data, as its header claims
    for data in (recording(silence(5)), recording(silence(5), kind="FLAC")):
        answer = httpx.post(
            f"{server.address}/v1/audio/transcriptions", data={"model": "whisper-1"}, files={"file": data}
        )
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "audio_too_long"
    answer = httpx.post(
        f"{server.address}/v1/audio/transcriptions", data={"model": "whisper-1"}, files={"file": bytes(lying)}
    )
    assert answer.status_code in (200, 413)


def test_a_full_disk_is_told_and_survived(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from earshot.server.upload_folder import UploadFolder

    server = serve()
    data = recording(silence(1))

    def post() -> httpx.Response:
        return httpx.post(
            f"{server.address}/v1/audio/transcriptions", data={"model": "whisper-1"}, files={"file": data}
        )

    class Full(type(server.options.upload_folder)):  # type: ignore[misc]
        def open(self, *arguments: Any, **options: Any) -> Any:
            raise OSError(errno.ENOSPC, "No space left on device")

    ordinary = UploadFolder.file

    @contextmanager
    def full(self: UploadFolder) -> Iterator[Any]:
        with ordinary(self) as path:
            yield Full(path)

    monkeypatch.setattr(UploadFolder, "file", full)
    answer = post()
    assert answer.status_code == 507
    assert answer.json()["error"]["code"] == "disk_full"
    monkeypatch.setattr(UploadFolder, "file", ordinary)
    assert post().status_code == 200
