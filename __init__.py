"""modalmill: from raw multimodal corpora on disk to a trained fusion model, with nothing lost on
the way.

import modalmill as mm

result = mm.run("recipe.yaml", out="out")   # or a dictionary of the same form
result.account, result.rejects().to_pandas(), result.signals()
model = mm.fit("table.csv", target="price")
model.evaluation, model.predict("new.csv")
mm.features("out", "image")                 # cached vectors with the keys of records
for batch in mm.stream("out", split="train"):
    ...                                     # batch.parts["image"], batch.present_BM, batch.keys

Five rooms: ``schemas`` (what the data is), ``stages`` (what is done to it), ``pipeline`` (how it is
run), ``demo`` (what to look at first) and ``cli`` (how a person asks). A name of this module is
imported when it is first used, so that ``import modalmill`` costs nothing.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .pipeline.api import features, fit, run
    from .schemas.errors import ModalmillError
    from .stages.stream import open_stream as stream

__version__ = "0.2.0"
__all__ = ["ModalmillError", "features", "fit", "run", "stream"]

_ROOMS = {
    "ModalmillError": ("schemas.errors", "ModalmillError"),
    "features": ("pipeline.api", "features"),
    "fit": ("pipeline.api", "fit"),
    "run": ("pipeline.api", "run"),
    "stream": ("stages.stream", "open_stream"),
}


def __getattr__(name: str) -> object:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    room, inner = _ROOMS[name]
    return getattr(import_module(f"{__name__}.{room}"), inner)


def __dir__() -> list[str]:
    return sorted([*globals(), *_ROOMS])
