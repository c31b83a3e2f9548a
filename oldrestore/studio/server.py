"""The studio's server: its page, and an engine behind a small JSON interface; photographs go by number."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from PIL import Image
from pydantic import Field, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from oldrestore.config.values import describe
from oldrestore.errors import UserError
from oldrestore.photographs.output_files import reason_of
from oldrestore.studio.engine import PICTURES, JobStopped, StaleRevision, Studio
from oldrestore.studio.gate import Gate, refusal
from oldrestore.studio.session import LARGEST_FILE, History, Part, Session

PAGE = Path(__file__).parent / "page"
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
QUALITY = 90  # of JPEG at screen size

Endpoint = Callable[[Request], Awaitable[Response]]


class Change(Part):
    """What a page sends to change a session: the revision that it saw, and the new state, unless it undoes."""

    revision: Annotated[int, Field(ge=0)]
    session: Session | None = None


def studio_app(engine: Studio, hosts: frozenset[str], token: str) -> Gate:
    """Return the studio as an ASGI application for `hosts` (``127.0.0.1:8050``), which lets in who has the token."""
    # Read once: no name that a client sends ever opens a file.
    page = {path.name: (path.read_bytes(), KINDS[path.suffix]) for path in PAGE.iterdir() if path.suffix in KINDS}

    async def file(request: Request) -> Response:
        name = request.path_params.get("name", "index.html")
        if name not in page:
            raise HTTPException(404)
        content, kind = page[name]
        return Response(content, media_type=kind)

    async def overview(request: Request) -> Response:
        names = [one.name for one in engine.photographs]
        return JSONResponse({"photographs": names, "networks": engine.describe_networks()})

    async def state(request: Request) -> Response:
        history = await _result(engine.open(_number(request)))
        return JSONResponse(_described(history))

    async def change(request: Request) -> Response:
        sent = await _sent(request)
        if sent.session is None:
            raise UserError("the change lacks session")
        history = engine.change(_number(request), sent.revision, lambda before: before.edited(sent.session))
        return JSONResponse(_described(history))

    async def step(request: Request) -> Response:
        sent = await _sent(request)
        move = History.undone if request.url.path.endswith("undo") else History.redone
        return JSONResponse(_described(engine.change(_number(request), sent.revision, move)))

    async def picture(request: Request) -> Response:
        which = request.path_params["which"]
        if which not in PICTURES:
            raise HTTPException(404)
        revision, pixels = await _result(engine.picture(_number(request), which))
        content, kind = await asyncio.to_thread(_encoded, pixels)
        return Response(content, media_type=kind, headers={"X-Revision": str(revision)})

    async def likely(request: Request) -> Response:
        try:
            x, y = (float(request.query_params[name][:40]) for name in ("x", "y"))
        except (KeyError, ValueError):
            raise UserError("a place has x and y, pixels of the photograph") from None
        lightness, colors = await _result(engine.likely(_number(request), x, y))
        return JSONResponse({"lightness": lightness, "colors": [asdict(color) for color in colors]})

    async def save(request: Request) -> Response:
        await _body(request, 1024)
        return JSONResponse({"job": engine.save(_number(request)).number}, 202)

    async def job(request: Request) -> Response:
        found = engine.queue.find(_whole(request.path_params["job"]))
        if found is None:
            raise HTTPException(404)
        if request.method == "DELETE":
            engine.queue.stop(found)
        answer: dict[str, Any] = {"stage": found.stage}
        if found.future.done():
            error = found.future.exception()
            answer |= {"written": found.future.result()} if error is None else {"error": reason_of(error)}
        return JSONResponse(answer)

    of_photo = "/api/photographs/{number}"
    routes = [
        Route("/", file),
        Route("/page/{name}", file),
        Route("/api/studio", overview),
        Route(of_photo, state),
        Route(f"{of_photo}/session", change, methods=["PUT"]),
        Route(f"{of_photo}/undo", step, methods=["POST"]),
        Route(f"{of_photo}/redo", step, methods=["POST"]),
        Route(f"{of_photo}/pictures/{{which}}", picture),
        Route(f"{of_photo}/likely", likely),
        Route(f"{of_photo}/save", save, methods=["POST"]),
        Route("/api/jobs/{job}", job, methods=["GET", "DELETE"]),
    ]
    handlers: Mapping[Any, Any] = {
        StaleRevision: lambda _, error: refusal(409, str(error)),
        UserError: lambda _, error: refusal(400, str(error)),
        JobStopped: lambda _, error: refusal(409, "a newer request took its place"),
        HTTPException: lambda _, error: refusal(error.status_code, _WORDS.get(error.status_code, error.detail)),
        Exception: lambda _, error: refusal(500, reason_of(error)),
    }
    return Gate(Starlette(routes=routes, exception_handlers=handlers), hosts, token)


_WORDS = {404: "there is no such page", 405: "this address does not take that method"}


def _number(request: Request) -> int:
    return _whole(request.path_params["number"])


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise HTTPException(404)
    return int(text)


async def _result(future: Future) -> Any:
    return await asyncio.wrap_future(future)


async def _sent(request: Request) -> Change:
    """Read a change; anything else is a `UserError`."""
    body = await _body(request, LARGEST_FILE)
    try:
        return Change.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["type"] == "json_invalid" or not first["loc"]:
            raise UserError("the request is not a JSON object of revision and session") from None
        raise UserError(describe(error, "change", "")[:400]) from None


async def _body(request: Request, most: int) -> bytes:
    """Read the body of a request, of at most so many bytes, and no further."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise UserError(f"the request has more than {most:,} bytes")
        parts.append(part)
    return b"".join(parts)


def _described(history: History) -> dict[str, Any]:
    return {
        "revision": history.revision,
        "session": history.present.model_dump(mode="json"),
        "can_undo": bool(history.past),
        "can_redo": bool(history.future),
    }


def _encoded(pixels: np.ndarray) -> tuple[bytes, str]:
    """Encode a picture for the page: JPEG, and a mask PNG."""
    buffer, is_mask = io.BytesIO(), pixels.ndim == 2
    options = {"format": "PNG", "compress_level": 1} if is_mask else {"format": "JPEG", "quality": QUALITY}
    Image.fromarray(pixels).save(buffer, **options, **({} if is_mask else {"subsampling": 0}))
    return buffer.getvalue(), "image/png" if is_mask else "image/jpeg"
