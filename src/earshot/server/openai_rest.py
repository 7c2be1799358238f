"""OpenAI's audio API over HTTP: transcriptions, translations, models."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from earshot.core.errors import EarshotError
from earshot.core.types import Segment, Transcript
from earshot.engines.base import Task
from earshot.server.errors import RequestError, refusal_of
from earshot.server.forms import Form, received_form
from earshot.server.openai_documents import (
    AUDIO_OPERATION,
    MODEL_OPERATION,
    MODELS_OPERATION,
    TRANSLATION_OPERATION,
)
from earshot.server.openai_requests import AudioRequest, parse_request
from earshot.server.openai_shapes import (
    diarized_document,
    diarized_segment,
    logprobs,
    plain_document,
    segment_id,
    subtitles,
    usage,
    verbose_document,
)
from earshot.server.openai_speakers import SpeakerNames, known_voices
from earshot.server.pool import RecognizerPool, Served
from earshot.transcription import SpeakerOptions, TranscriptionOptions


def openai_router() -> APIRouter:
    """``/v1/audio/…`` and ``/v1/models``."""
    router = APIRouter(prefix="/v1", tags=["OpenAI"])

    @router.post("/audio/transcriptions", response_model=None, openapi_extra=AUDIO_OPERATION)
    async def transcriptions(request: Request) -> Response:
        """Write down what is said in a recording."""
        return await _answer(request, task="transcribe")

    @router.post("/audio/translations", response_model=None, openapi_extra=TRANSLATION_OPERATION)
    async def translations(request: Request) -> Response:
        """Write down in English what is said in another language."""
        return await _answer(request, task="translate")

    @router.get("/models", response_model=None, openapi_extra=MODELS_OPERATION)
    async def models(request: Request) -> dict[str, Any]:
        """What is served here."""
        return {"object": "list", "data": [_model(served) for served in _pool(request).served]}

    @router.get("/models/{model:path}", response_model=None, openapi_extra=MODEL_OPERATION)
    async def model(request: Request, model: str) -> dict[str, Any]:
        """One of them, by its name, its engine, or a name of OpenAI's that means the default here."""
        return _model(_pool(request).find(model))

    return router


def _pool(request: Request) -> RecognizerPool:
    pool: RecognizerPool = request.app.state.pool
    return pool


def _model(served: Served) -> dict[str, Any]:
    return {
        "id": served.name,
        "object": "model",
        "created": 0,
        "owned_by": served.engine,
        "languages": sorted(served.capabilities.languages),
    }


async def _answer(request: Request, *, task: Task) -> Response:
    async with AsyncExitStack() as stack:
        state = request.app.state
        form = await stack.enter_async_context(
            received_form(request, state.upload_folder, max_bytes=state.options.max_upload_bytes)
        )
        wish = parse_request(form)
        pool = _pool(request)
        pool.find(wish.model, task).check_language(wish.language)
        names = await asyncio.to_thread(_speaker_names, pool, wish, task) if wish.is_diarized else None
        work = _Work(pool, form, wish, task, names)
        if wish.is_streamed:
            return _EventStream(work.events(), stack.pop_all())
        return work.response(await _unless_gone(request, work))


def _speaker_names(pool: RecognizerPool, wish: AudioRequest, task: Task) -> SpeakerNames:
    """What is needed to tell speakers apart. Blocking. Raises RequestError where that cannot be."""
    if task == "translate":
        raise RequestError(
            "speakers are not told apart in translations", code="unsupported", param="response_format"
        )
    try:
        encoder = pool.voice_encoder()
    except EarshotError as error:
        raise RequestError(
            f"speakers cannot be told apart here: {error.message}",
            fix=error.fix,
            code="unsupported",
            param="response_format",
        ) from error
    return SpeakerNames(known_voices(wish.references, encoder), encoder.threshold)


class _EventStream(StreamingResponse):
    """Server-sent events, and what has to live as long as they come: the recording."""

    def __init__(self, events: AsyncIterator[str], resources: AsyncExitStack) -> None:
        super().__init__(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        self._resources = resources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._resources:
            await super().__call__(scope, receive, send)


async def _unless_gone(request: Request, work: _Work) -> Transcript:
    """The transcript; the work ends when the client hangs up."""
    task = asyncio.ensure_future(work.transcribe())
    gone = asyncio.ensure_future(_hung_up(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise RequestError("the client went away", status=499, code="client_closed_request")
        return task.result()
    finally:
        task.cancel()
        gone.cancel()


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class _Work:
    """One recording and how its transcript is to be told."""

    def __init__(
        self, pool: RecognizerPool, form: Form, wish: AudioRequest, task: Task, names: SpeakerNames | None
    ) -> None:
        self._pool = pool
        self._form = form
        self._wish = wish
        self._task = task
        self._names = names
        self._heard: asyncio.Queue[Segment | None] = asyncio.Queue()

    async def transcribe(self) -> Transcript:
        assert self._form.path is not None
        wish = self._wish
        options = TranscriptionOptions(
            language=wish.language,
            word_times=wish.has_word_times,
            speakers=SpeakerOptions() if wish.is_diarized else None,
        )
        try:
            transcript = await self._pool.transcribe_file(
                self._form.path,
                options,
                model=wish.model,
                task=self._task,
                on_segment=self._hear,
                name_speakers=self._names.learn if self._names is not None else None,
            )
            return replace(transcript, segments=tuple(map(self._named, transcript.segments)))
        except Exception as error:
            refusal = refusal_of(error, hidden=str(self._form.path))
            if isinstance(error, RequestError) or refusal.code == "server_error":
                raise
            raise RequestError(
                refusal.message, status=refusal.status, code=refusal.code, param=refusal.param
            ) from error
        finally:
            self._heard.put_nowait(None)

    def _hear(self, segment: Segment) -> None:
        self._heard.put_nowait(self._named(segment))

    def _named(self, segment: Segment) -> Segment:
        return segment if self._names is None else self._names.named(segment)

    def response(self, transcript: Transcript) -> Response:
        """In the format that was asked for."""
        wish = self._wish
        if wish.response_format == "text":
            return PlainTextResponse(transcript.text + "\n")
        if wish.response_format in ("srt", "vtt"):
            kind = "text/vtt" if wish.response_format == "vtt" else "application/x-subrip"
            return Response(subtitles(transcript, wish.response_format), media_type=f"{kind}; charset=utf-8")
        if wish.response_format == "verbose_json":
            document = verbose_document(
                transcript, task=self._task, granularities=wish.granularities, temperature=wish.temperature
            )
            return JSONResponse(document)
        if wish.is_diarized:
            return JSONResponse(diarized_document(transcript))
        return JSONResponse(plain_document(transcript, has_logprobs=wish.has_logprobs))

    async def events(self) -> AsyncIterator[str]:
        """Server-sent events: a delta a segment as it is recognized, then the whole, or an error.

        Where speakers are told apart, each segment follows its delta.
        """
        task = asyncio.ensure_future(self.transcribe())
        try:
            count = 0
            while (segment := await self._heard.get()) is not None:
                yield _event(self._delta(segment, count))
                if self._wish.is_diarized:
                    yield _event(diarized_segment(count, segment))
                count += 1
            try:
                document = self._done(await task)
            except Exception as error:
                document = refusal_of(error).document()
            yield _event(document)
        finally:
            task.cancel()

    def _delta(self, segment: Segment, index: int) -> dict[str, Any]:
        delta = f" {segment.text}" if index else segment.text
        document: dict[str, Any] = {"type": "transcript.text.delta", "delta": delta}
        if self._wish.is_diarized:
            document["segment_id"] = segment_id(index)
        if self._wish.has_logprobs:
            document["logprobs"] = logprobs(segment.words)
        return document

    def _done(self, transcript: Transcript) -> dict[str, Any]:
        document = plain_document(transcript, has_logprobs=self._wish.has_logprobs)
        return {"type": "transcript.text.done", **document, "usage": usage(transcript.duration)}


def _event(document: dict[str, Any]) -> str:
    return f"data: {json.dumps(document, ensure_ascii=False)}\n\n"
