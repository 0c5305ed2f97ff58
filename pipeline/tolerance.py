"""A run that lost too much stops, and says what it lost first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..schemas.account import Account, Count
from ..schemas.errors import InputError, ToleranceError
from ..schemas.rejects import FaultRow, Faults


def refuse_losses(account: Account, faults: Faults, tolerance: float, out: Path) -> None:
    """InputError where a stage left nothing, ToleranceError where it left out a larger share than
    ``tolerance``.
    """
    none_left = not any(count.written for count in account.sources)
    for count in [*account.sources, *account.stages]:
        lost, going_in = count.rejected + count.missing, count.read + count.copies
        # one empty source among others is no reason to stop, a stage that lets nothing through is
        is_empty = not count.written and (none_left or count not in account.sources)
        if not going_in or (not is_empty and lost / going_in <= tolerance):
            continue
        reasons = ", ".join(f"{number:,} {rule}" for rule, number in count.reasons.most_common(3))
        first = _first_cause(count, faults)
        look = f"look at them with 'modalmill rejects {out}'"
        if is_empty:
            raise InputError(
                f"{count.name}: nothing is left of {going_in:,} ({reasons}){first}; {look}"
            )
        raise ToleranceError(
            f"{count.name}: {lost:,} of {going_in:,} were left out ({reasons}), more than the"
            f" tolerance of {tolerance:.0%}{first};"
            f" {look}, mend the data or raise 'tolerance' in the recipe"
        )


def _first_cause(count: Count, faults: Faults) -> str:
    """The first of a stage's rejects in words; where it lacked a part, why that part was not there
    from the start, or what partner it has not.
    """
    lost = _first(faults, count.name, ("rejected", "missing"))
    if lost is None:
        return ""
    missing = _first(faults, count.name, ("missing",))
    alone = ""
    if missing is not None:
        why = f"no_{missing['rule'].removeprefix('no ')}_file"
        unmatched = [fault for fault in faults if fault["fate"] == "unmatched"]
        gone = (fault for fault in unmatched if why in fault["rule"])
        of_it = (fault["message"] for fault in unmatched if fault["key"] == missing["key"])
        lost = next(gone, missing)
        alone = next((f" ({message})" for message in of_it if lost is missing), "")
    origin = lost["origin"]
    where = (
        f"{origin['file']}, row {origin['row']}" if origin["row"] is not None else origin["file"]
    )
    return f"; the first: {where}: {lost['message']}{alone}"


def _first(faults: Faults, stage: str, fates: Sequence[str]) -> FaultRow | None:
    """The first record that a stage, or the source of that name, left out."""
    own = (stage, f"ingest:{stage}")
    return next(
        (fault for fault in faults if fault["stage"] in own and fault["fate"] in fates), None
    )
