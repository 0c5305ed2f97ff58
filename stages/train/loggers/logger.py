"""What a logger is: something that takes the numbers of each epoch, and is told what is trained.

``log.jsonl`` is written in any case, and is what the others can be compared with. A logger is one
file and its card in ``methods/loggers.py``, or a user's own; its options are the keyword-only
arguments of its constructor.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ....schemas.disk import write_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFacts:
    """What is trained: the name of the data, and the settings that make this training what it is
    (options that are not the default ones, by their place: ``inputs.image.size``).
    """

    name: str
    settings: Mapping[str, str]


class Logger:
    """Takes the numbers of each epoch. folder: its own, below that of the training, which does not
    have to be there yet; it still has what it had where a training goes on.

    What it raises while it is made stops the training before its first step; what it raises later
    is told, and the training goes on without it.
    """

    def __init__(self, folder: Path, training: TrainingFacts) -> None:
        raise NotImplementedError

    def numbers(self, epoch: int, numbers: Mapping[str, float]) -> None:
        """Take the numbers of an epoch, counted from 0. After a kill one may come again."""
        raise NotImplementedError

    def examples(self, epoch: int, lines: Sequence[str]) -> None:
        """Take what the model said of some records, where the logger shows texts."""

    def close(self, is_finished: bool) -> None:
        """Write out what is left. is_finished: the training came to its end."""


def kept_id(folder: Path) -> tuple[str, bool]:
    """A name for this training that no other has, kept in the folder; and whether it was there."""
    path = folder / "id.txt"
    if path.is_file():
        return path.read_text(encoding="ascii").strip(), True
    made = secrets.token_hex(8)
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(path, made.encode())
    return made, False


def settings_of(options: Mapping[str, object], within: str = "") -> dict[str, str]:
    """Nested options as one word each.

    >>> settings_of({"epochs": 3, "inputs": {"image": {"size": 32}}})
    {'epochs': '3', 'inputs.image.size': '32'}
    """
    settings: dict[str, str] = {}
    for name, value in options.items():
        if isinstance(value, Mapping) and value:
            settings |= settings_of(value, f"{within}{name}.")
        else:
            settings[f"{within}{name}"] = (
                value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            )
    return settings
