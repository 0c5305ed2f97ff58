"""A model served over HTTP until the process is told to stop."""

from __future__ import annotations

import importlib.util
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from ...schemas.errors import InputError, MissingPackageError

_IN_FLIGHT = 64
_LONGEST_STOP_S = 30


def serve(
    checkpoint: Path,
    host: str,
    port: int,
    *,
    top: int,
    workers: int,
    body_mb: int,
    most_records: int,
    deadline_s: float,
    memory_mb: int,
    say: Callable[[str], None],
) -> None:
    """Serve the model of a checkpoint at an address until SIGTERM or SIGINT, which let requests
    that are at work come to their end.

    port: 0 takes any that is free; ``say`` is told which. workers: children that answer, each with
    the model. deadline_s, memory_mb: for one medium, and for one child.

    MissingPackageError without FastAPI and its kin, InputError for no checkpoint or an address that
    cannot be had.
    """
    for package in ("fastapi", "uvicorn", "python_multipart", "torch"):
        if importlib.util.find_spec(package) is None:
            raise MissingPackageError(package, "serve", "modalmill serve")
    if not checkpoint.is_file():  # the model would find out some seconds later
        raise InputError(f"{checkpoint}: there is no such checkpoint")
    from .answering import answering
    from .app import make_app
    from .limits import RequestLimits

    limits = RequestLimits(body_mb << 20, most_records, _IN_FLIGHT)
    with (
        _listening(host, port) as listening,
        answering(checkpoint, top, workers, deadline_s, memory_mb << 20) as model,
    ):
        port = listening.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        say(f"serve: {checkpoint} answers at http://{shown}:{port}/ until Ctrl-C")
        _run(make_app(model, limits, say), listening, limits.in_flight)
    say("serve: stopped")


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(
            f"--host {host} --port {port}: cannot listen there: {why}; --port 0 takes any that is"
            " free"
        ) from error


def _run(app: object, listening: socket.socket, in_flight: int) -> None:
    """Answer until a signal comes."""
    import uvicorn

    config = uvicorn.Config(
        app,  # type: ignore[arg-type]  # an application of ASGI
        log_level="warning",
        access_log=False,
        limit_concurrency=in_flight,
        timeout_graceful_shutdown=_LONGEST_STOP_S,
    )
    server = uvicorn.Server(config)

    def stop(number: int, frame: object) -> None:
        server.should_exit = True

    # for a signal that comes before uvicorn answers it, and for the same one that uvicorn sends on
    # when it has stopped
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        server.run([listening])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
