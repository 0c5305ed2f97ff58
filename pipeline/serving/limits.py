"""A bound on what one request may send."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What one request may send: bytes of its body, and records. in_flight: requests at a time;
    more are refused with 503.
    """

    body_bytes: int
    records: int
    in_flight: int


class BodyLimit:
    """An ASGI application that refuses larger bodies with 413: by what their head says before
    anything is read, and by what really comes.
    """

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app, self._most = app, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = dict(scope["headers"]).get(b"content-length", b"")
        if told.isdigit() and int(told) > self._most:
            await JSONResponse({"detail": self._refusal(int(told))}, 413)(scope, receive, send)
            return
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > self._most:
                raise HTTPException(413, self._refusal(came))
            return message

        await self._app(scope, counted, send)

    def _refusal(self, found: int) -> str:
        return (
            f"the body has {found:,} bytes or more, and at most {self._most:,} are taken"
            " (serve --body-mb)"
        )
