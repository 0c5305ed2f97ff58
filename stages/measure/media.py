"""The media of records that are to be measured."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute

from ...schemas.record import Part, Step
from ..media.files import stamp_of_medium


@dataclass(frozen=True, slots=True, order=True)
class Medium:
    """One medium to measure: its modality, its place below the root, the size and time that say
    whether it changed, and how it is read (JSON).
    """

    modality: str
    uri: str
    stamp: str
    reading: str = ""

    def part(self) -> Part:
        """The medium as a part that means all of it."""
        return Part(
            self.modality,
            uri=self.uri,
            steps=(Step("read", json.loads(self.reading)),) if self.reading else (),
        )


def media_of(tables: Iterable[pa.Table], root: Path, measured: frozenset[str]) -> list[set[Medium]]:
    """For each table, the media of its records that are to be measured."""
    result = []
    stamps: dict[str, str] = {}
    for table in tables:
        media: set[Medium] = set()
        result.append(media)
        kinds = pa.compute.list_flatten(table["parts"]).combine_chunks().field("modality")
        # asked of the column first: making Python objects of all parts takes far longer
        if measured.isdisjoint(kinds.unique().to_pylist()):
            continue
        for parts in table["parts"].to_pylist():
            for part in parts:
                if part["uri"] is None or part["modality"] not in measured:
                    continue
                uri = part["uri"]
                # many records may name one file
                if uri not in stamps:
                    stamps[uri] = _stamp_text(root, uri)
                reading = next(
                    (step["options"] for step in part["steps"] or () if step["op"] == "read"), ""
                )
                media.add(Medium(part["modality"], uri, stamps[uri], reading))
    return result


def _stamp_text(root: Path, uri: str) -> str:
    stamp = stamp_of_medium(root, uri)
    return "gone" if stamp is None else "-".join(map(str, stamp))
