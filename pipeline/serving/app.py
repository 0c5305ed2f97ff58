"""The application: what the model takes at ``/``, whether it lives at ``/health``, answers at
``/predict``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from starlette.concurrency import run_in_threadpool

from ... import __version__
from ...schemas.errors import ModalmillError
from ...stages.train.use.describe import ModelTold
from ...stages.train.use.predict import Prediction
from ..guard import TaskFailed
from .answering import Answering
from .limits import BodyLimit, RequestLimits
from .requests import records_of


def make_app(answering: Answering, limits: RequestLimits, say: Callable[[str], None]) -> FastAPI:
    """The application over a model. ``say`` is told of faults in the program."""
    told = answering.told
    # its pages of documentation would load scripts from elsewhere
    app = FastAPI(
        title=f"modalmill: {told['name']}", version=__version__, docs_url=None, redoc_url=None
    )
    app.add_middleware(BodyLimit, most_bytes=limits.body_bytes)

    @app.get("/")
    def about() -> dict[str, Any]:  # Any: the model's own description
        return {
            **told,
            "how": _how(told),
            "limits": {"body_bytes": limits.body_bytes, "records": limits.records},
            "modalmill": __version__,
        }

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/predict", openapi_extra={"requestBody": _body(told)})
    async def predict(request: Request) -> dict[str, Any]:  # Any: predictions as they are
        with tempfile.TemporaryDirectory(prefix="modalmill-") as folder:
            records = await records_of(request, told, limits.records, Path(folder))
            found = await run_in_threadpool(_answers, answering, records, say)
            _refuse_damage(found, folder)
        for prediction in found:
            del prediction["key"]
        return {"target": told["target"], "predictions": found}

    return app


def _answers(
    answering: Answering, records: list[dict[str, str]], say: Callable[[str], None]
) -> list[Prediction]:
    try:
        return answering.answer(records)
    except ModalmillError as error:
        say(f"serve: {error}")
        raise HTTPException(503, str(error)) from error
    except TaskFailed as error:
        say(f"serve: a fault in the program: {error}")
        raise HTTPException(500, "a fault in the program, not in what was sent") from error


def _refuse_damage(found: list[Prediction], folder: str) -> None:
    """HTTPException 422 where a part could not be read; where its file lay is told to nobody."""
    problems = []
    for prediction in found:
        for name, why in prediction.get("damaged", {}).items():
            where = f"{prediction['key']}: {name}: "
            problems.append(where + why.removeprefix(where).replace(f"{folder}/", ""))
    if problems:
        raise HTTPException(422, "\n".join(problems))


def _how(told: ModelTold) -> dict[str, str]:
    """How a person asks, by examples of this model's parts."""
    files = [name for name, part in told["parts"].items() if part["given_as"] == "file"]
    lines = {
        "json": 'POST /predict {"records": [{part: value, ...}, ...]}; a text as a string, cells as'
        " an object; any part may be missing",
    }
    if files:
        fields = " ".join(
            f"-F {name}=@FILE" if name in files else f"-F {name}=VALUE" for name in told["parts"]
        )
        lines["form"] = (
            f"curl {fields} .../predict; several records: -F 0.{files[0]}=@A -F 1.{files[0]}=@B"
        )
    return lines


def _body(told: ModelTold) -> dict[str, Any]:  # Any: a schema of OpenAPI
    """What ``/predict`` takes, for OpenAPI."""
    texts: dict[str, Any] = {
        name: {"type": "object" if part["given_as"] == "cells" else "string"}
        for name, part in told["parts"].items()
        if part["given_as"] != "file"
    }
    fields = {name: {"type": "string"} for name in told["parts"]}
    for name, part in told["parts"].items():
        if part["given_as"] == "file":
            fields[name]["format"] = "binary"
    record = {"type": "object", "properties": texts, "additionalProperties": False}
    several = {"type": "object", "properties": {"records": {"type": "array", "items": record}}}
    return {
        "required": True,
        "content": {
            "application/json": {"schema": {"oneOf": [record, several]}},
            "multipart/form-data": {"schema": {"type": "object", "properties": fields}},
        },
    }
