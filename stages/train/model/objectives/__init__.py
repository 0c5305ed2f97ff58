"""Objectives: what is learned, one file a task. Each is fitted on the training split's targets
alone and kept whole in the checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping

from .....schemas.errors import InputError
from .....schemas.json_value import JsonValue
from ...methods.tasks import TASKS, refused
from ...options import TrainOptions
from .objective import Objective, Targets


def fit_objective(options: TrainOptions, targets: Targets) -> Objective:
    """The objective of the options, fitted on the targets of the training split."""
    objective = fit_target("train.target", options.task, options.target, targets, options.answers)
    objective.weigh(options.class_weights, options.focal)
    return objective


def fit_target(where: str, task: str, name: str, targets: Targets, most: int = 1000) -> Objective:
    """The objective for one target, fitted on the training split; ``most``: largest number of
    classes.
    """
    values = [target[name] for target in targets if name in target]
    if not values:
        every = sorted({other for target in targets for other in target})
        raise InputError(
            f"{where}: no record of the training split has the target {name!r}; there are"
            f" {', '.join(every) or 'none'}"
        )
    lists = sum(isinstance(value, list) for value in values)
    learns_lists = "list" in TASKS[task].kinds
    if lists < len(values) if learns_lists else lists:
        refusal = refused(where, task, name, "text" if learns_lists else "list")
        count = len(values) - lists if learns_lists else lists
        raise InputError(f"{refusal} (in {count:,} of {len(values):,} records)")
    return _kind(task).fit(name, values, most)


def load_objective(task: str, state: Mapping[str, JsonValue]) -> Objective:
    """The objective that :meth:`Objective.state` described."""
    return _kind(task).restored(state)


def _kind(task: str) -> type[Objective]:
    found = TASKS[task].load()
    if not (isinstance(found, type) and issubclass(found, Objective)):
        raise InputError(f"train.task: {task}: wanted a class below Objective, found {found!r}")
    return found


__all__ = ["Objective", "fit_objective", "fit_target", "load_objective"]
