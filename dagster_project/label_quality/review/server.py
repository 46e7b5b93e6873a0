"""The review page over HTTP: static files without data, and an API that answers only with the token."""

from __future__ import annotations

import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dagster_project.core.errors import RayTruthError
from dagster_project.core.verdict_kinds import ANSWERS, verdict_on
from dagster_project.label_quality.review.original_images import OriginalImages
from dagster_project.label_quality.review.review_session import ReviewSession

_PAGE = Path(__file__).parent / "page"
_FILES = ("page.css", "page.js", "answers.js", "filters.js", "api.js", "image_cache.js", "progress.js", "viewer.js")
_TEXT = {True: "not searched for", False: "none found"}  # burned-in text; True: there was no search
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def review_app(session: ReviewSession, originals: OriginalImages | None, token: str, reviewer: str = "") -> Starlette:
    """The application. With `reviewer`, all answers are under this name; without it, the page asks for a name."""

    def name_of(stated: object) -> str:
        return reviewer or str(stated or "").strip()

    def state(request: Request) -> Response:
        name = name_of(request.query_params.get("reviewer"))
        fixed = {
            "reviewer": reviewer,
            "regions": session.regions,
            "cards": list(session.worklist.cards.values()),
            "clean": session.clean,
            "sampling": bool(session.worklist.sample),
            "kinds": [{"name": k, "keeps_given": k.traits.keeps_given, **asdict(k.traits)} for k in ANSWERS],
            # the verdict of a reviewer who names the given region, another one, or none of the regions
            "by_region": {"given": verdict_on("a", "a"), "other": verdict_on("b", "a"), "none": verdict_on("", "a")},
        }
        return _answered(lambda: fixed | session.status(name))

    def image(request: Request) -> Response:
        path = session.worklist.images.get(request.path_params["image_id"])
        return FileResponse(path, media_type="image/jpeg") if path else JSONResponse({"error": "no such image"}, 404)

    def original(request: Request) -> Response:
        found = (
            originals(request.path_params["image_id"])
            if originals
            else "the paths of the archive's files are not known here"
        )
        if isinstance(found, str):
            return JSONResponse({"error": found}, 404)
        described = {
            "rows": found.rows,
            "columns": found.columns,
            "text": "masked" if found.masked else _TEXT[found.masked is None],
        }
        headers = {f"Original-{name}": str(value) for name, value in described.items()}
        return Response(found.jpeg, media_type="image/jpeg", headers=headers)

    async def verdict(request: Request) -> Response:
        return await _posted(request, ("image_id", "verdict", "region", "verdict_id"), session.answer)

    async def retraction(request: Request) -> Response:
        return await _posted(request, ("image_id", "verdict_id"), session.retract)

    async def _posted(request: Request, fields: tuple[str, ...], act: Callable[..., None]) -> Response:
        try:
            body = await request.json()
            values, name = [body[field] for field in fields], name_of(body.get("reviewer"))
        except (ValueError, KeyError, TypeError, AttributeError):
            values, name = [None], ""
        if not all(isinstance(value, str) for value in values):
            return JSONResponse({"error": "The request is malformed; nothing was recorded"}, 400)

        def recorded() -> dict[str, Any]:
            act(name, *values)
            return session.status(name)

        return await run_in_threadpool(_answered, recorded)

    routes = [
        Route("/", lambda _: FileResponse(_PAGE / "index.html")),
        *(Route(f"/{name}", partial(_file, name)) for name in _FILES),
        Route("/api/state", state),
        Route("/api/images/{image_id}", image),
        Route("/api/originals/{image_id}", original),
        Route("/api/verdicts", verdict, methods=["POST"]),
        Route("/api/retractions", retraction, methods=["POST"]),
    ]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        if originals:
            originals.close()

    app = Starlette(routes=routes, lifespan=lifespan)
    app.add_middleware(_Guard, token=token)
    return app


def serve_review(
    session: ReviewSession,
    originals: OriginalImages | None,
    host: str,
    port: int,
    reviewer: str,
    say: Callable[[str], None],
) -> None:
    """Print the address with a new token by `say`, and serve until stopped. `port` 0 takes any free port.

    Raises RayTruthError if the address cannot be used.
    """
    try:
        listening = socket.create_server((host, port))
    except OSError as error:
        raise RayTruthError(
            f"The review page cannot be served: {error.strerror}",
            where=f"{host}:{port}",
            do="choose another --port (0: any free port), or an address of this machine as --host",
        ) from None
    token = secrets.token_urlsafe(24)
    # After the #: browsers do not send this part, so that it is in no log.
    say(f"http://{host}:{listening.getsockname()[1]}/#token={token}")
    settings = uvicorn.Config(review_app(session, originals, token, reviewer), log_level="warning", access_log=False)
    uvicorn.Server(settings).run(sockets=[listening])


class _Guard:
    """Refuses /api/ without the token, and sets headers that keep the browser from sharing data."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app, self.expected = app, f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        if scope["type"] == "http" and scope["path"].startswith("/api/"):
            sent = Headers(scope=scope).get("authorization", "").encode()
            if not secrets.compare_digest(sent, self.expected):
                refused = JSONResponse({"error": "The token is missing or wrong"}, 401)
                await refused(scope, receive, send_guarded)
                return
        await self.app(scope, receive, send_guarded)


def _file(name: str, _: Request) -> Response:
    return FileResponse(_PAGE / name)


def _answered(work: Callable[[], dict[str, Any]]) -> Response:
    try:
        return JSONResponse(work())
    except RayTruthError as error:
        return JSONResponse({"error": str(error)}, 409)
