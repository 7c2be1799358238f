"""The page's own files, served from the package under a policy that lets nothing else in."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response

STATIC = Path(__file__).parent / "static"

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "worker-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""No inline script, nothing from elsewhere: text that somehow became markup would still do nothing."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-cache",  # asked for again each time, and answered with 304 while it is the same
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
}

_TYPES = {".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".webmanifest": "application/json"}


def static_router() -> APIRouter:
    """``/`` and ``/static/…``."""
    router = APIRouter(include_in_schema=False)
    files = {path.relative_to(STATIC).as_posix(): path for path in STATIC.rglob("*") if path.is_file()}

    @router.get("/")
    async def index(request: Request) -> Response:
        return _answer(request, files["index.html"])

    @router.get("/static/{name:path}")
    async def static(request: Request, name: str) -> Response:
        # Only what was there at the start is served, so no name leads out of the folder.
        path = files.get(name)
        return _answer(request, path) if path is not None else Response("Not found", 404)

    return router


def _answer(request: Request, path: Path) -> Response:
    kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    response = FileResponse(path, media_type=kind, headers=HEADERS, stat_result=path.stat())
    if request.headers.get("if-none-match") == response.headers["etag"]:
        # With the policy: a browser takes the headers of this answer in place of those that it had kept.
        return Response(status_code=304, headers={**HEADERS, "ETag": response.headers["etag"]})
    return response
