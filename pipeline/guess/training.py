"""What a model could learn from proposed sources: the target, the task, and how to begin."""

from __future__ import annotations

from .columns import split_word
from .proposal import Proposal
from .sources import Aim, Aimed

_MOST_INPUTS = 8
_TASKS: dict[Aim, str] = {
    "answers": "vqa",
    "class": "classification",
    "list": "multilabel",
    "number": "regression",
}
_WORDS: dict[Aim, str] = {
    "answers": "the words of several annotators",
    "class": "classes",
    "list": "lists of words",
    "number": "numbers",
}


def find_aim(proposal: Proposal) -> tuple[str, Aimed] | None:
    """The target to train for: answers, else what is called like a label; classes before lists
    before numbers, and words before numbers that are classes.
    """
    return min(
        ((name, aimed) for source in proposal.sources for name, aimed in source.targets.items()),
        key=lambda entry: (
            entry[1].kind != "answers",
            entry[1].label_rank,
            list(_TASKS).index(entry[1].kind),
            entry[1].are_numbers,
            -entry[1].share,
        ),
        default=None,
    )


def name_task(proposal: Proposal, aim: tuple[str, Aimed] | None) -> None:
    """Say what training would be, and why."""
    kinds = set(proposal.parts().values())
    if aim is not None:
        name, aimed = aim
        proposal.task = _TASKS[aimed.kind]
        what = f"{aimed.values:,} values" if aimed.values else _WORDS[aimed.kind]
        others = dict.fromkeys(
            other for source in proposal.sources for other in source.targets if other != name
        )
        more = f"; others that may be asked for: {', '.join(others)}" if others else ""
        proposal.why_task = f"target {name!r}, {what}{more}"
    elif len(kinds) > 1:
        proposal.task = "retrieval"
        proposal.why_task = (
            f"no target was found; {' and '.join(sorted(kinds))} of one record could find each"
            " other, once there is a target to train beside (fusion: common_space)"
        )
    else:
        proposal.why_task = "no target was found: the recipe ends with shards"


def add_training(proposal: Proposal, target: str) -> None:
    """Give a proposal a first training: small encoders of pictures and texts, cached features of
    sounds and films.
    """
    sure = {part for source in proposal.sources for part in source.sure_texts}
    parts = proposal.parts()
    known = [part for part, kind in parts.items() if kind != "text" or part in sure]
    inputs: dict[str, object] = {}
    first_image = next((part for part, kind in parts.items() if kind == "image"), "")
    for part in (known or list(parts))[:_MOST_INPUTS]:
        kind = parts[part]
        inputs[part] = {}
        if kind in ("audio", "video"):
            inputs[part] = {"feature": True}
            proposal.features[part] = f"features.{kind}"
        elif kind == "image":
            twin = {} if part == first_image else {"same_as": first_image}
            inputs[part] = {"encoder": "cnn", "size": 64, **twin}
        elif kind == "text":
            inputs[part] = {"encoder": "lstm", "length": 32}
    task = {} if proposal.task == "classification" else {"task": proposal.task}
    proposal.train = {**task, "target": target, "inputs": inputs, **_splits(proposal), "epochs": 10}


def _splits(proposal: Proposal) -> dict[str, object]:
    """Which of the splits that the sources give is trained on, and which chooses the epoch, where
    they are not called train and val.
    """
    names = proposal.official_splits()
    folds = sorted(name for name in names if name.startswith("fold"))
    if len(folds) > 2:
        return {"train_split": "+".join(folds[:-1]), "val_split": folds[-1]}
    trained = next((name for name in names if split_word(name) == "train"), "train")
    chosen_by = next((name for name in names if split_word(name) == "val"), "val")
    options: dict[str, object] = {"train_split": trained} if trained != "train" else {}
    return options | ({"val_split": chosen_by} if chosen_by != "val" else {})
