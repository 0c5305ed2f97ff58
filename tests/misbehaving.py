"""Tasks that misbehave, importable by the workers' child processes."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from modalmill.pipeline.task import refuse_skipped
from modalmill.schemas.errors import DamageError, InputError
from modalmill.stages.base import Beat


@dataclass(frozen=True)
class Misbehave:
    """Visits items; an item named hang, crash, killed or memory does just that; with ``-once`` in
    its name in the first child alone.
    """

    items: tuple[str, ...]
    log: Path

    def run(self, beat: Beat, skip: Mapping[str, str]) -> dict[str, str]:
        fates = {}
        for item in self.items:
            beat(item)
            try:
                refuse_skipped(item, skip)
                fates[item] = self._visit(item)
            except DamageError as error:
                fates[item] = error.rule
        return fates

    def _visit(self, item: str) -> str:
        if "-once" in item:
            mark = self.log.with_name(item)
            if mark.exists():
                return "good"
            mark.touch()
        if item.startswith("killed"):
            os.kill(os.getpid(), 9)
        if item.startswith("hang"):
            # A decoder in C that never comes back and never lets go of the interpreter: no signal
            # handler of Python's can run.
            ctypes.PyDLL(None).pause()
        if item.startswith("crash"):
            os.kill(os.getpid(), 11)
        if item.startswith("memory"):
            return str(len(bytearray(8 << 30)))
        if item == "sleep":
            time.sleep(10)
        if item == "user":
            raise InputError("the user's mistake")
        if item == "fault":
            raise ZeroDivisionError
        with open(self.log, "a") as file:
            file.write(item + "\n")
        return "good"
