"""How each part of the records is decoded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ...schemas import checks
from ...schemas.errors import InputError, nearest
from ..modality import is_in_record
from ..modality import modality as modality_of
from ..modality import names as names_of_modalities
from ..spec import BytesSpec, Spec
from .options import StreamOptions
from .parts.feature import FeatureSpec
from .parts.stored import JsonSpec
from .shards.index import Index


class LengthClasses(NamedTuple):
    """The classes of length that ``buckets`` asks for.

    of_record: class of each record ``int [N]``; None where there are no buckets. specs: part ->
    spec of each class, of the only one where there are no buckets.
    """

    of_record: np.ndarray | None
    specs: list[dict[str, Spec]]


def choose_specs(index: Index, options: StreamOptions) -> dict[str, Spec]:
    """The spec of each part that is wanted; its modality's own where only names are given.
    InputError where a part is not there, or another thing than its spec reads.
    """
    parts, where_from = options.parts, options.told_names
    if not isinstance(parts, Mapping):
        names = list(index.parts if parts is None else parts)
        parts = {name: _default(index.parts.get(name, "")) for name in names}
    for name, spec in parts.items():
        # found by key in its own cache, which says what it lacks
        if isinstance(spec, FeatureSpec):
            continue
        modality = index.parts.get(name)
        if modality is None:
            raise InputError(
                f"{where_from}: no part is called {name!r}{nearest(name, index.parts)}"
            )
        if spec.modality and spec.modality != modality:
            raise InputError(
                f"{where_from}: {name} is {modality}, it cannot be read by {type(spec).__name__}"
            )
        # what stands in the index has no bytes of its own
        if isinstance(spec, BytesSpec) and is_in_record(modality):
            raise InputError(
                f"{where_from}: {name} is {modality}; {type(_default(modality)).__name__}() gives"
                " it as it is"
            )
    return dict(parts)


def choose_classes(
    index: Index, specs: Mapping[str, Spec], options: StreamOptions
) -> LengthClasses:
    """The class of length of every record, and the specs of each class."""
    if not options.buckets:
        return LengthClasses(None, [dict(specs)])
    name, limits = _bounds(specs, options)
    spec = specs[name]
    lengths = spec.lengths(index, name)
    # 1e-6: a length that is above its bound by rounding alone still fits
    of_record = np.minimum(np.searchsorted(limits, lengths - 1e-6), len(limits) - 1)
    sized = [{**specs, name: spec.cut_to(limit)} for limit in limits.tolist()]
    return LengthClasses(of_record, sized)


def _default(kind: str) -> Spec:
    """How a part is read for who says no more than its name."""
    if kind in names_of_modalities():
        return modality_of(kind).spec()
    return JsonSpec() if kind == "json" else BytesSpec()


def _bounds(specs: Mapping[str, Spec], options: StreamOptions) -> tuple[str, np.ndarray]:
    """The part whose lengths make the classes, and where each class ends, in order."""
    buckets = options.buckets or {}
    if len(buckets) != 1:
        raise InputError(f"buckets: wanted one part, found {', '.join(buckets) or 'none'}")
    name, bounds = next(iter(buckets.items()))
    if name not in specs:
        raise InputError(f"buckets: no part is called {name!r}{nearest(str(name), specs)}")
    if isinstance(bounds, str) or not hasattr(bounds, "__iter__"):
        raise InputError(f"buckets: {name}: wanted a list of lengths above 0, found {bounds!r}")
    limits = np.array(
        sorted(checks.above_zero(f"buckets: {name}", bound) for bound in bounds), float
    )
    if not len(limits):
        raise InputError(f"buckets: {name}: wanted a list of lengths above 0, found an empty one")
    return name, limits
