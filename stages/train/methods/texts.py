"""What ``modalmill methods`` says: every method by its word, a user's own included."""

from __future__ import annotations

from ....schemas.errors import InputError, nearest
from ....schemas.plain_text import Verbatim, render_text
from ...base import Addressed, Extractor, Source, addresses
from .card import cards_text
from .encoders import ENCODERS, READ_CACHES
from .fusions import FUSIONS
from .loggers import LOGGERS
from .losses import LOSSES
from .missing import MISSING
from .presets import METHODS
from .tasks import TASKS

_KINDS = (
    (
        "fusion: how the parts become one vector, or one answer (train.fusion)",
        FUSIONS,
        "fusion: {}",
    ),
    (
        "encoders: how one part becomes tokens (train.inputs.<part>.encoder, or"
        " train.encoders.<modality>)",
        ENCODERS,
        "inputs: {{<part>: {{encoder: {}}}}}",
    ),
    ("missing: what stands for an absent part (train.missing)", MISSING, "missing: {}"),
    ("tasks: what is asked of a record (train.task)", TASKS, "task: {}"),
    ("losses: what is asked beside the task (train.losses)", LOSSES, "losses: [{}]"),
    ("loggers: where the numbers of each epoch go (train.log)", LOGGERS, "log: [{}]"),
)


def methods_text() -> str:
    """Every method with its card, and the names of articles as settings of them."""
    indent = max(len(word) for _, cards, _ in _KINDS for word in cards)
    lines = []
    for title, cards, _ in _KINDS:
        lines += [*cards_text(title, cards, indent), ""]
    lines.append(
        "methods: settings of these by the names that articles use (train.method, compare"
        " --methods); every fusion is one too"
    )
    width = max(len(word) for word in METHODS)
    for word, preset in METHODS.items():
        if word not in FUSIONS:
            lines += [
                f"  {word:<{width}}  {preset.what}",
                Verbatim(f"  {'':<{width}}  {preset.text()}"),
            ]
    return render_text(*lines, "", "How one works and what its options are: modalmill methods NAME")


def method_words() -> set[str]:
    """Every name of a method, of all kinds."""
    return {*METHODS, *(word for _, cards, _ in _KINDS for word in cards)}


def method_text(name: str) -> str:
    """All about the methods of this name, and how a recipe's ``train`` section says them;
    InputError where there is none.
    """
    lines: list[str] = []
    name = name.lower()
    for title, cards, form in _KINDS:
        if name in cards:
            feature = "feature: true, " if cards[name].reads in READ_CACHES else ""
            lines += [
                title,
                *cards[name].told(name, form.replace("encoder:", f"{feature}encoder:")),
                "",
            ]
    if name in METHODS and name not in FUSIONS:
        lines += [
            "methods: settings of others by the name that articles use",
            f"  {name}: {METHODS[name].what}",
            "",
        ]
        lines += [
            Verbatim(f"  in a recipe: method: {name}"),
            Verbatim(f"  which is:    {METHODS[name].text()}"),
            "",
        ]
    if not lines:
        elsewhere = {
            *addresses(Addressed),
            *addresses(Extractor),
            *(address.partition(".")[2] for address in addresses(Source)),
        }
        if name in elsewhere:
            raise InputError(f"{name}: is no method of training; see 'modalmill stages {name}'")
        raise InputError(f"{name}: no method has this name{nearest(name, method_words())}")
    return render_text(*lines[:-1])
