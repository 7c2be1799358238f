"""What the page asks for over HTTP, under ``/api``. It belongs to this page and changes with it, so it is not
part of the OpenAPI document; programs use the protocols that are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse

from earshot.core.errors import (
    AudioError,
    DeviceError,
    EarshotError,
    FormatError,
    MissingExtraError,
    OutputError,
    SessionError,
    SpeakerError,
    UnsupportedError,
)
from earshot.server import library_editing as editing
from earshot.server import page_media, page_text, page_voices
from earshot.server.errors import TooLongError, TooManyError, UnknownServedModelError
from earshot.server.library_types import UNDER_WAY, ConflictError, NoSessionError
from earshot.server.page_state import PageState

_STATUS: tuple[tuple[type[EarshotError], int], ...] = (  # the first that fits
    (NoSessionError, 404),
    (ConflictError, 409),
    (SessionError, 409),
    (TooManyError, 503),
    (TooLongError, 413),
    (UnknownServedModelError, 422),
    (UnsupportedError, 422),
    (MissingExtraError, 501),
    (DeviceError, 503),
    (AudioError, 422),
    (FormatError, 404),
    (SpeakerError, 422),
    (OutputError, 507),
)


class PageRoute(APIRoute):
    """Tells errors as ``{"error": {"message", "fix"}}``, in a status that fits."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See ``APIRoute``."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                return await handle(request)
            except EarshotError as error:
                return _refusal(error)
            except RequestValidationError as error:
                first = error.errors()[0] if error.errors() else {"loc": ("request",), "msg": "wrong"}
                where = ".".join(str(part) for part in first["loc"])
                document = {"error": {"message": f"{where}: {first['msg']}", "fix": None}}
                return JSONResponse(document, 422)

        return guarded


def _refusal(error: EarshotError) -> JSONResponse:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    document: dict[str, Any] = {"message": error.message, "fix": error.fix}
    if isinstance(error, ConflictError):
        document["current"] = error.current
    return JSONResponse({"error": document}, status)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Title(_Strict):
    """A new title."""

    title: str = Field(min_length=1, max_length=2_000)


class Correction(_Strict):
    """A word's new text; "" removes it, null restores it. version: that the writer has seen."""

    text: str | None = Field(max_length=2_000)
    version: int = Field(ge=0, lt=2**31)


class SpeakerName(_Strict):
    """What a speaker is called."""

    label: str = Field(min_length=1, max_length=2_000)
    name: str = Field(min_length=1, max_length=2_000)


class Speaker(_Strict):
    """Who speaks in the passages from ``first`` to ``last``; null for nobody known."""

    first: int = Field(ge=0, lt=2**31)
    last: int = Field(ge=0, lt=2**31)
    name: str | None = Field(max_length=2_000)


class Again(_Strict):
    """With what to transcribe a recording again."""

    engine: str | None = Field(default=None, max_length=200)
    language: str | None = Field(default=None, max_length=40)
    diarize: bool = False


class Voice(_Strict):
    """Whose voice of a session shall be known from now on."""

    label: str = Field(min_length=1, max_length=2_000)


SessionId = Annotated[str, Path(pattern=r"^[A-Za-z0-9-]{1,64}$")]
Position = Annotated[int, Path(ge=0, lt=2**31)]


def api_router() -> APIRouter:
    """All routes but the sockets."""
    router = APIRouter(prefix="/api", route_class=PageRoute, include_in_schema=False)
    _add_sessions(router)
    _add_editing(router)
    _add_media(router)
    _add_text(router)
    _add_choices(router)
    return router


def _state(request: Request) -> PageState:
    state: PageState = request.app.state.page
    return state


# A route that is a plain function runs on a thread of its own, so that no disk keeps the event loop waiting.


def _add_sessions(router: APIRouter) -> None:
    @router.get("/sessions")
    def sessions(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=500)] = 200,
        before: Annotated[str | None, Query(max_length=64)] = None,
    ) -> Response:
        found = _state(request).library.sessions(limit=limit, before=before)
        return JSONResponse({"sessions": [asdict(session) for session in found]})

    @router.get("/search")
    def search(request: Request, q: Annotated[str, Query(max_length=500)]) -> Response:
        return JSONResponse({"hits": [asdict(hit) for hit in _state(request).library.search(q)]})

    @router.get("/sessions/{session_id}")
    def session(request: Request, session_id: SessionId) -> Response:
        state = _state(request)
        found = state.library.get(session_id)
        return JSONResponse(
            {
                "session": asdict(found),
                "speakers": editing.speakers(state.library, session_id),
                "voices": page_voices.known_names(state),
                "languages": page_text.languages_from(found.language),
                "has_audio": state.audio_path(found) is not None,
                "so_far": request.app.state.uploads.so_far(session_id),
            }
        )

    @router.patch("/sessions/{session_id}")
    def rename(request: Request, session_id: SessionId, body: Title) -> Response:
        state = _state(request)
        found = state.library.rename(session_id, body.title)
        state.tell_session(session_id)
        return JSONResponse({"session": asdict(found)})

    @router.delete("/sessions/{session_id}")
    def delete(request: Request, session_id: SessionId) -> Response:
        state = _state(request)
        state.remove_files(state.library.delete(session_id))
        state.tell_session(session_id)
        return Response(status_code=204)

    @router.post("/uploads", status_code=201)
    async def upload(
        request: Request,
        name: Annotated[str, Query(max_length=2_000)] = "",
        engine: Annotated[str | None, Query(max_length=200)] = None,
        language: Annotated[str | None, Query(max_length=40)] = None,
        diarize: bool = False,
    ) -> Response:
        uploads = request.app.state.uploads
        entered = await uploads.receive(
            request.stream(), name, engine or None, language or None, diarize=diarize
        )
        return JSONResponse({"session": asdict(entered)}, 201)

    @router.post("/sessions/{session_id}/transcription")
    async def again(request: Request, session_id: SessionId, body: Again) -> Response:
        state = _state(request)
        await asyncio.to_thread(_transcribe_again, state, session_id, body)
        request.app.state.uploads.put(session_id)
        state.tell_session(session_id)
        return JSONResponse({"session": asdict(state.library.get(session_id))}, 202)


def _transcribe_again(state: PageState, session_id: str, body: Again) -> None:
    session = state.library.get(session_id)
    if session.state in UNDER_WAY:
        raise SessionError("the session is still under way", fix="wait until it is finished")
    served = state.pool.find(body.engine)
    served.check_language(body.language)
    state.library.set_engine(session_id, served.name, body.language, diarize=body.diarize)
    state.library.set_state(session_id, "waiting")


def _add_editing(router: APIRouter) -> None:
    @router.get("/sessions/{session_id}/segments")
    def segments(
        request: Request,
        session_id: SessionId,
        first: Annotated[int, Query(ge=0, lt=2**31)] = 0,
        count: Annotated[int, Query(ge=1, le=100_000)] = 100_000,
    ) -> Response:
        found = editing.documents(_state(request).library, session_id, first=first, count=count)
        return JSONResponse({"segments": found})

    @router.put("/sessions/{session_id}/segments/{segment}/words/{word}")
    def correct(
        request: Request, session_id: SessionId, segment: Position, word: Position, body: Correction
    ) -> Response:
        state = _state(request)
        changed = editing.correct(state.library, session_id, segment, word, body.text, body.version)
        state.feed.tell({"type": "word", "id": session_id, "segment": segment, "word": word, **changed})
        return JSONResponse(changed)

    @router.get("/sessions/{session_id}/segments/{segment}/words/{word}/history")
    def history(request: Request, session_id: SessionId, segment: Position, word: Position) -> Response:
        found = editing.history(_state(request).library, session_id, segment, word)
        return JSONResponse({"corrections": found})

    @router.put("/sessions/{session_id}/speakers")
    def rename_speaker(request: Request, session_id: SessionId, body: SpeakerName) -> Response:
        state = _state(request)
        names = editing.rename_speaker(state.library, session_id, body.label, body.name)
        state.feed.tell({"type": "speakers", "id": session_id, "speakers": names})
        return JSONResponse({"speakers": names})

    @router.post("/sessions/{session_id}/voices")
    def enrol(request: Request, session_id: SessionId, body: Voice) -> Response:
        return JSONResponse(page_voices.enrol(_state(request), session_id, body.label))

    @router.put("/sessions/{session_id}/passages")
    def set_speaker(request: Request, session_id: SessionId, body: Speaker) -> Response:
        state = _state(request)
        names, label = editing.set_speaker(state.library, session_id, body.first, body.last, body.name)
        answer = {"speakers": names, "first": body.first, "last": body.last, "label": label}
        state.feed.tell({"type": "passages", "id": session_id, **answer})
        return JSONResponse(answer)


def _add_media(router: APIRouter) -> None:
    @router.get("/sessions/{session_id}/audio")
    def audio(request: Request, session_id: SessionId) -> Response:
        state = _state(request)
        path, kind = page_media.media_path(state, state.library.get(session_id))
        return FileResponse(path, media_type=kind, headers={"Cache-Control": "private, no-cache"})

    @router.get("/sessions/{session_id}/peaks")
    def peaks(request: Request, session_id: SessionId) -> Response:
        state = _state(request)
        return JSONResponse(page_media.peaks(state, state.library.get(session_id)))

    @router.get("/sessions/{session_id}/spectrogram/{index}")
    def spectrogram(
        request: Request, session_id: SessionId, index: Annotated[int, Path(ge=0, le=100_000)]
    ) -> Response:
        state = _state(request)
        content = page_media.tile(state, state.library.get(session_id), index)
        return Response(content, media_type="application/octet-stream")


def _add_text(router: APIRouter) -> None:
    @router.get("/sessions/{session_id}/export/{name}")
    def export(request: Request, session_id: SessionId, name: str, original: bool = False) -> Response:
        library = _state(request).library
        session = library.get(session_id)
        content, kind, filename = page_text.exported(library, session, name, is_corrected=not original)
        plain = filename.encode("ascii", "replace").decode("ascii").replace("?", "_")
        disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename)}"
        return Response(content, media_type=kind, headers={"Content-Disposition": disposition})

    @router.get("/sessions/{session_id}/summary")
    def summary(
        request: Request, session_id: SessionId, sentences: Annotated[int, Query(ge=1, le=50)] = 5
    ) -> Response:
        return JSONResponse(page_text.summary(_state(request).library, session_id, sentences))

    @router.get("/sessions/{session_id}/translation")
    def translation(
        request: Request, session_id: SessionId, to: Annotated[str, Query(pattern=r"^[A-Za-z]{2,8}$")]
    ) -> Response:
        lines = page_text.translated(_state(request).library, session_id, to)
        return StreamingResponse(lines, media_type="application/x-ndjson")


def _add_choices(router: APIRouter) -> None:
    @router.get("/choices")
    def choices(request: Request) -> Response:
        state = _state(request)
        return JSONResponse(
            {
                "engines": [
                    {
                        "name": served.name,
                        "languages": sorted(served.capabilities.languages),
                        "language": served.language,
                    }
                    for served in state.pool.served
                ],
                "devices": _devices(),
                "formats": page_text.formats(),
                "assistant": state.options.has_assistant,
                "limits": {
                    "upload_bytes": state.options.max_upload_bytes,
                    "duration": state.options.max_duration,
                },
                "tile": {
                    "seconds": page_media.TILE_SECONDS,
                    "hop": page_media.TILE_HOP_MS / 1000,
                    "bands": page_media.NUM_MELS,
                },
            }
        )


def _devices() -> list[dict[str, Any]]:
    """The server's microphones; none where it has no sound system."""
    from earshot.audio.devices import list_devices

    try:
        devices = list_devices()
    except EarshotError:
        return []
    return [
        {"index": device.index, "name": device.name, "is_default": device.is_default_input}
        for device in devices
        if device.has("input")
    ]
