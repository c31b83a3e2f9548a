"""Who may talk to the studio: a page of its own, opened with the link's token, on this machine."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
READING = frozenset({"GET", "HEAD"})

ASGI = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


def refusal(status: int, sentence: str) -> JSONResponse:
    """Return an error as the page reads it: ``{"error": sentence}``."""
    return JSONResponse({"error": sentence}, status)


class Gate:
    """ASGI middleware that admits requests to `hosts` with the token, in a cookie that the link sets, or a header.

    What another site's page sends is refused by its Origin, or by the browser's ``Sec-Fetch-Site``; a name that was
    made to point to this machine (DNS rebinding) by its Host.
    """

    def __init__(self, app: ASGI, hosts: frozenset[str], token: str) -> None:
        self.app, self.hosts, self.token = app, hosts, token
        # Cookies are not kept apart by port.
        self.cookie = f"oldrestore-studio-{min(hosts).rpartition(':')[2]}"

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer, or pass on to the application with the headers that keep the page to itself."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # no WebSocket is served
            return

        async def send_guarded(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                added = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message = message | {"headers": [*message["headers"], *added]}
            await send(message)

        answer = self._answer(Request(scope)) or self.app
        await answer(scope, receive, send_guarded)

    def _answer(self, request: Request) -> Response | None:
        """Return the answer to what is not admitted, and to the link."""
        hosts = request.headers.getlist("host")
        if len(hosts) != 1 or hosts[0] not in self.hosts:
            return refusal(403, f"the studio answers to {min(self.hosts)} only")
        origins = request.headers.getlist("origin")
        if origins not in ([], [f"http://{hosts[0]}"]) or (not origins and request.method not in READING):
            return refusal(403, "the request comes from another page than the studio's")
        site = request.headers.get("sec-fetch-site", "same-origin")
        from_link = request.url.path == "/" and request.method == "GET"
        # A link that somebody clicks elsewhere brings the token with it; nothing else may come from elsewhere.
        if site not in ("same-origin", "none") and not from_link:
            return refusal(403, "the request comes from another page than the studio's")
        if from_link and "token" in request.query_params:
            if not self._is_token(request.query_params["token"]):
                return refusal(401, "the token of this link is not right: use the link that the studio printed")
            response = RedirectResponse("/", 303)
            response.set_cookie(self.cookie, self.token, httponly=True, samesite="strict", path="/")
            return response
        given = request.headers.get("x-studio-token") or request.cookies.get(self.cookie, "")
        if not self._is_token(given):
            return refusal(401, "the token is missing or not right: open the link that the studio printed")
        return None

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode("utf-8", "replace"), self.token.encode())
