"""Asks an ASGI application without a network, with exactly the path and headers that are given."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

HOST = "127.0.0.1:8050"
ORIGIN = f"http://{HOST}"
TOKEN = "the-token"


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        return json.loads(self.body)


class Asking:
    """What a browser with the studio's cookie does, unless headers say otherwise; a header of None is left out."""

    def __init__(self, app):
        self.app = app

    def __call__(self, method, path, content=None, query="", chunks=None, **headers):
        usual = {"host": HOST, "cookie": f"oldrestore-studio-8050={TOKEN}"}
        usual |= {} if method in ("GET", "HEAD") else {"origin": ORIGIN}
        given = usual | {name.replace("_", "-"): value for name, value in headers.items()}
        raw = [(name.encode(), value.encode()) for name, value in given.items() if value is not None]
        scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http"}
        scope |= {"path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": ""}
        scope |= {"headers": raw, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8050)}
        body = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
        return asyncio.run(self._asked(scope, [body] if chunks is None else chunks))

    async def _asked(self, scope, chunks):
        sent, parts = [], iter(chunks)

        async def receive():
            part = next(parts, None)
            return {"type": "http.request", "body": part or b"", "more_body": part is not None}

        async def send(message):
            sent.append(message)

        await self.app(scope, receive, send)
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Reply(sent[0]["status"], headers, b"".join(one.get("body", b"") for one in sent[1:]))
