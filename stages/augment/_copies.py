"""Copies of records with changes drawn from a seed: the base of the augmenting stages."""

from __future__ import annotations

from dataclasses import replace

from ...schemas.record import Part, Record, Step, make_key


def copy_of(record: Record, word: str, number: int) -> Record:
    """A copy with a key of its own, in the same group."""
    return replace(record, key=make_key(record.key, f"{word}{number}"))


def with_step(part: Part, step: Step) -> Part:
    """The part with one more step to be carried out."""
    return replace(part, steps=(*part.steps, step))
