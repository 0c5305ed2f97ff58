"""From the body of a request to records: JSON of texts and cells, or a form that brings files too.

A record maps parts to a text, or to the path of a file in a folder of the request's own; a name or
a path that a client sends is never opened.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from fastapi import HTTPException
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request

from ...schemas.errors import nearest
from ...schemas.json_value import JsonValue
from ...stages.train.use.describe import ModelTold

_NUMBERED = re.compile(r"(\d{1,6})\.(.+)\Z", re.DOTALL)
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,8}\Z")
_SHOWN = 40


async def records_of(
    request: Request, told: ModelTold, most: int, folder: Path
) -> list[dict[str, str]]:
    """The records of a request, whose files now lie in ``folder``; HTTPException 422 with a
    sentence for what the model does not take, 415 for another kind of body.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        entries = _entries_of_json(await request.body())
        uploads: dict[int, dict[str, UploadFile]] = {}
    elif kind == "multipart/form-data":
        fields = most * len(told["parts"])
        async with request.form(max_files=fields, max_fields=fields) as form:
            entries, uploads = _entries_of_form(form.multi_items(), most)
            return await _checked(entries, uploads, told, most, folder)
    else:
        raise HTTPException(
            415,
            "wanted application/json, or multipart/form-data where files come with it, found"
            f" {kind or 'no content-type'}",
        )
    return await _checked(entries, uploads, told, most, folder)


def _entries_of_json(body: bytes) -> list[Mapping[str, JsonValue]]:
    """What ``{"records": [{part: value}]}`` lists; one record may stand alone."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        _refuse(f"the body is no JSON: {error}")
    if isinstance(value, dict) and set(value) == {"records"}:
        value = value["records"]
    elif isinstance(value, dict):
        value = [value]
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        _refuse('wanted {"records": [{part: value, ...}, ...]}, or one record {part: value, ...}')
    return value


def _entries_of_form(
    items: list[tuple[str, UploadFile | str]], most: int
) -> tuple[list[Mapping[str, JsonValue]], dict[int, dict[str, UploadFile]]]:
    """Texts and files of a form whose fields are called ``part``, or ``0.part``, ``1.part`` where
    it has several records.
    """
    texts: dict[int, dict[str, JsonValue]] = {}
    uploads: dict[int, dict[str, UploadFile]] = {}
    for field, value in items:
        numbered = _NUMBERED.match(field)
        place, part = (int(numbered[1]), numbered[2]) if numbered else (0, field)
        own = texts.setdefault(place, {})
        if part in own or part in uploads.get(place, {}):
            _refuse(f"record {place}: {_short(part)} comes twice; records are told apart by 0.PART")
        if isinstance(value, str):
            own[part] = value
        else:
            uploads.setdefault(place, {})[part] = value
    count = max(texts, default=-1) + 1
    if count > most:
        _refuse(f"found a record {count - 1}, and at most {most} are taken at once")
    lacking = [place for place in range(count) if place not in texts]
    if lacking:
        _refuse(f"record {lacking[0]} has no part, and record {count - 1} has")
    return [texts[place] for place in range(count)], uploads


async def _checked(
    entries: list[Mapping[str, JsonValue]],
    uploads: Mapping[int, Mapping[str, UploadFile]],
    told: ModelTold,
    most: int,
    folder: Path,
) -> list[dict[str, str]]:
    if not 1 <= len(entries) <= most:
        _refuse(f"wanted 1 to {most} records, found {len(entries)}")
    problems: list[str] = []
    records = []
    for place, entry in enumerate(entries):
        files = uploads.get(place, {})
        given = {name: value for name, value in entry.items() if value is not None}
        values, wrong = _values(given, told)
        for name, upload in files.items():
            taken = told["parts"].get(name)
            if taken is None:
                wrong.append(_unknown(name, told))
            elif taken["given_as"] != "file":
                wrong.append(f"{name}: wanted {taken['given_as']}, found a file")
            else:
                path = folder / f"{place}-{name}{_ending(upload.filename)}"
                await run_in_threadpool(_write, upload, path)
                values[name] = str(path)
        if not (given or files):
            wrong.append(f"it has none of the parts {', '.join(told['parts'])}")
        problems += [f"record {place}: {line}" for line in wrong]
        records.append(values)
    if problems:
        _refuse("\n".join(problems))
    return records


def _values(given: Mapping[str, JsonValue], told: ModelTold) -> tuple[dict[str, str], list[str]]:
    """Part -> text, or cells as JSON; and what is wrong with those that are neither."""
    values: dict[str, str] = {}
    wrong: list[str] = []
    for name, value in given.items():
        taken = told["parts"].get(name)
        if taken is None:
            wrong.append(_unknown(name, told))
        elif taken["given_as"] == "file":
            wrong.append(f"{name}: wanted a file in a form (multipart/form-data), found a value")
        elif isinstance(value, str):
            values[name] = value
        elif taken["given_as"] == "cells" and isinstance(value, dict):
            values[name] = json.dumps(value)
        else:
            wanted = "an object of cells" if taken["given_as"] == "cells" else "a text"
            wrong.append(f"{name}: wanted {wanted}, found {_short(json.dumps(value))}")
    return values, wrong


def _unknown(name: str, told: ModelTold) -> str:
    return f"the model has no part {_short(name)!r}{nearest(name, told['parts'])}"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _ending(name: str | None) -> str:
    """The ending of a file's name, which is all that is kept of it."""
    found = _ENDING.search(name or "")
    return found[0].lower() if found else ""


def _write(upload: UploadFile, path: Path) -> None:
    with open(path, "wb") as out:
        shutil.copyfileobj(upload.file, out)


def _refuse(sentence: str) -> NoReturn:
    raise HTTPException(422, sentence)
