"""A recipe without one of its rules, or without a whole stage, for ``compare --without``."""

from __future__ import annotations

from collections.abc import Mapping

from .errors import nearest

_SECTION = "stages."


def leave_out(value: dict[str, object], place: str) -> str | None:
    """Take ``clean.image.max_dark`` (an option or a rule of a stage), or ``clean.image`` (a stage),
    out of a recipe as it stands in a file; what is wrong with the place, if anything.

    >>> recipe = {"stages": [{"clean.image": {"max_dark": 0.9}}, "clean.text"]}
    >>> leave_out(recipe, "clean.image.max_dark"), leave_out(recipe, "clean.text"), recipe
    (None, None, {'stages': [{'clean.image': {}}]})
    """
    stages = value.get("stages")
    entries = stages if isinstance(stages, list) else []
    names = _names(entries)
    wanted = place.removeprefix(_SECTION)
    fitting = [name for name in names if wanted == name or wanted.startswith(f"{name}.")]
    if not fitting:
        alike = [name for name in names if wanted.startswith(f"{name.partition('#')[0]}")]
        if alike:
            return (
                f"--without {place}: the recipe has it several times; say which: {', '.join(alike)}"
            )
        return (
            f"--without {place}: wanted a stage of the recipe, or an option of one;"
            f" no stage is called so{nearest(wanted, names)}"
        )
    name = max(fitting, key=len)
    number = names.index(name)
    rest = wanted[len(name) + 1 :]
    entry = entries[number]
    options = next(iter(entry.values())) if isinstance(entry, Mapping) and entry else None
    if rest:
        found = options if isinstance(options, dict) else {}
        if not _dropped(found, rest):
            return (
                f"--without {place}: the recipe says nothing of {rest!r} in"
                f" {name}{nearest(rest, list(_places(found)))}"
            )
        # rules in words are nothing without any
        if found or not name.startswith("clean.rules"):
            return None
    del entries[number]
    return None


def _names(entries: list[object]) -> list[str]:
    """The addresses of stages, of several alike with their numbers: ``clean.text#1``."""
    plain = [
        str(next(iter(each), "")) if isinstance(each, Mapping) else str(each) for each in entries
    ]
    names = []
    for place, name in enumerate(plain):
        several = plain.count(name) > 1
        names.append(f"{name}#{plain[: place + 1].count(name)}" if several else name)
    return names


def _dropped(options: dict[str, object], place: str) -> bool:
    """Whether what has this name was there, and is no more; sections that are empty then go too."""
    if place in options:
        del options[place]
        return True
    for key, own in options.items():
        inside = place if key == "rules" else place.removeprefix(f"{key}.")
        if isinstance(own, dict) and (key == "rules" or inside != place) and _dropped(own, inside):
            if not own:
                del options[key]
            return True
    return False


def _places(options: Mapping[str, object], before: str = "") -> list[str]:
    names = []
    for key, own in options.items():
        name = before if key == "rules" and isinstance(own, Mapping) else f"{before}{key}"
        inside = f"{name}." if name and name != before else before
        names += _places(own, inside) if isinstance(own, Mapping) else [name]
    return names
