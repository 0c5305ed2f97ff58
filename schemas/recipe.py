"""The recipe: what a person types, checked before the first byte of data is read.

This module knows a recipe's outer shape. What each stage's options may be is known by the stage
itself; ``pipeline.plan`` puts the two together and reports every mistake of both at once.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any, Literal, TypeAlias

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import InputError, RecipeError, nearest
from .leaving_out import leave_out

_SOURCE = re.compile(r"^[A-Za-z][A-Za-z0-9_]*$")
_NAME = re.compile(r"^[A-Za-z][A-Za-z0-9_-]*$")


VideoReader: TypeAlias = Literal["pyav", "decord"]


class ShardOptions(BaseModel):
    """How media are written into tars. Sizes in pixels, bytes, hertz and seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_short_side: int | None = Field(
        None, ge=8, description="images larger than this are scaled down to it (pixels)"
    )
    jpeg_quality: int = Field(95, ge=1, le=100)
    sample_rate_hz: int | None = Field(
        None, ge=1000, description="sound is resampled to this rate and written as mono 16-bit flac"
    )
    video_frames: int = Field(8, ge=1, le=512, description="frames kept of a video, evenly spaced")
    video_short_side: int = Field(112, ge=16, description="frames are scaled down to this (pixels)")
    video_reader: VideoReader = Field(
        "pyav", description="who decodes films; decord tells no damaged frame, and pyav does"
    )
    shard_bytes: int = Field(
        100_000_000, ge=10_000, description="a tar is closed at about this size"
    )
    verify: bool = Field(
        True,
        description="decode media that are copied byte for byte, so that no damaged file reaches a"
        " shard",
    )


class Recipe(BaseModel):
    """One run, whole: sources, stages in order, then shards, features and training."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="a word for this corpus, used in file and key names")
    data: str = Field(
        ".",
        description="the data root; every path of the recipe lies below it. Relative to the recipe"
        " file",
    )
    seed: int = Field(0, ge=-(1 << 63), lt=1 << 63)
    tolerance: float = Field(
        0.5,
        ge=0,
        le=1,
        description="share of a stage's records that may be rejected or missing before the run"
        " stops",
    )
    deadline_s: float = Field(
        60.0, gt=0, description="seconds one file may keep a decoder busy before it is rejected"
    )
    memory_bytes: int = Field(
        4 << 30, ge=256 << 20, description="memory one worker may take while it decodes"
    )
    use: list[str] = Field(
        default_factory=list,
        description="files of the user's own stages, sources, modalities, ...; relative to the"
        " recipe file",
    )
    measure: list[str] = Field(
        default_factory=list,
        description="parts, or modalities, whose media are measured though no stage asks for it;"
        " with what they measure on request alone behind a dot (audio.speech), also that",
    )
    sources: dict[str, dict[str, object]]
    stages: list[str | dict[str, object]] = Field(default_factory=list)
    shard: ShardOptions | None = Field(default_factory=ShardOptions)
    features: dict[str, str | dict[str, object]] = Field(default_factory=dict)
    train: dict[str, object] | None = None

    def __repr__(self) -> str:
        stages = [
            next(iter(stage), "") if isinstance(stage, dict) else stage for stage in self.stages
        ]
        then = ["features"] * bool(self.features) + ["shard"] * (self.shard is not None)
        then += [f"train {self.train.get('target')}"] if self.train is not None else []
        steps = [", ".join(self.sources), *stages, *then]
        return f"Recipe({self.name}: {' -> '.join(steps)})"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """As a notebook shows it: the YAML file that says the same."""
        return f"<pre>{escape(self.to_yaml())}</pre>"

    def to_yaml(self) -> str:
        """The recipe as a file, with all that it leaves to defaults."""
        shown = self.model_dump(mode="json")
        return yaml.safe_dump(shown, sort_keys=False, allow_unicode=True)


def load_recipe(
    path: Path, overrides: Iterable[str] = (), without: Iterable[str] = ()
) -> tuple[Recipe, Path]:
    """The recipe of a YAML file with ``a.b=c`` overrides laid over it, ``without`` some stages or
    options of them, and its data root.

    A relative ``data`` in the file is relative to the file; one given as an override is relative to
    the current folder.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such recipe{_similar_files(path)}") from None
    except (OSError, ValueError) as error:  # not UTF-8, or a name that no file can have
        raise InputError(f"{path}: the recipe cannot be read: {error}") from error
    try:
        value = _load_yaml(text)
    except _YAML_ERRORS as error:
        raise RecipeError([_yaml_mistake(error, text)], where=str(path)) from error
    return recipe_of(value, str(path), path.parent, overrides, without)


def recipe_of(
    value: object,
    where: str,
    folder: Path,
    overrides: Iterable[str] = (),
    without: Iterable[str] = (),
) -> tuple[Recipe, Path]:
    """The recipe of what stands in a file, or of a mapping of the same form, and its data root.

    Paths in it are relative to ``folder``, those of overrides to the current folder.
    """
    if not isinstance(value, dict):
        raise RecipeError(
            [f"wanted a mapping with name, data and sources, found {type(value).__name__}"],
            where=where,
        )
    problems: list[str] = []
    data_from_here = False
    for override in overrides:
        problem = _override(value, override)
        if problem:
            problems.append(problem)
        data_from_here = data_from_here or override.startswith("data=")
    problems += [problem for place in without if (problem := leave_out(value, place))]
    recipe = parse_recipe(value, where=where, problems=problems)
    root = Path(recipe.data).expanduser()
    recipe = recipe.model_copy(
        update={"use": [str(folder / Path(name).expanduser()) for name in recipe.use]}
    )
    return recipe, root if data_from_here or root.is_absolute() else folder / root


class _TwiceError(yaml.constructor.ConstructorError):
    pass


class _OneOfEach(yaml.SafeLoader):
    """Refuses a mapping with the same key twice, of which YAML itself keeps the last and says
    nothing.
    """

    # Any: as the loader has it
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping of a node."""
        first: dict[str, yaml.ScalarNode] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in first:
                    before = first[key.value].start_mark.line + 1
                    problem = (
                        f"{key.value!r} stands here a second time; the first is in line {before},"
                        " and only one of them can count"
                    )
                    raise _TwiceError(None, None, problem, key.start_mark)
                first[key.value] = key
        return super().construct_mapping(node, deep)


_SNIPPET = 72  # characters of the line in question
_HINTS = {
    "'\\t'": "; lines are indented by spaces",
    "cannot start any token": "; a text that begins so stands in quotes",
    "mapping values are not allowed": "; a text with a colon and a space stands in quotes",
}
_YAML_ERRORS = (yaml.YAMLError, ValueError, RecursionError)


def _load_yaml(text: str) -> object:
    value: object = yaml.load(text, _OneOfEach)  # noqa: S506  # a SafeLoader that is stricter
    return value


def _yaml_mistake(error: BaseException, text: str) -> str:
    """What is wrong, in which line, and the line itself with a caret under the place."""
    if isinstance(error, RecursionError):
        return "not YAML: brackets within brackets without end"
    kind = "" if isinstance(error, _TwiceError) else "not YAML: "
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return f"{kind}line {line}: the character {chr(error.character)!a}, which no text has"
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return f"{kind}{' '.join(str(error).split())[:200]}"
    mark, began = error.problem_mark, error.context_mark
    problem = error.problem or "cannot be read"
    hint = next((hint for words, hint in _HINTS.items() if words in problem), "")
    if began is not None and began.line < mark.line:
        hint = f"; {error.context}, which begins in line {began.line + 1}"
        # at the end of the file there is nothing to point at
        mark = mark if mark.pointer < len(text) else began
    snippet = (mark.get_snippet(indent=0, max_length=_SNIPPET) or "").replace("\t", " ")
    return f"{kind}line {mark.line + 1}: {problem}{hint}\n{snippet}"


def parse_recipe(
    value: Mapping[str, object], where: str = "recipe", problems: Iterable[str] = ()
) -> Recipe:
    """The recipe of a mapping; :class:`RecipeError` names every field that is unknown, missing or
    of the wrong kind.
    """
    mistakes = list(problems)
    try:
        recipe = Recipe.model_validate(value)
    except ValidationError as error:
        raise RecipeError([*mistakes, *mistake_lines(error, Recipe)], where=where) from None
    if not _NAME.match(recipe.name):
        mistakes.append(f"name: wanted letters, digits, - and _, found {recipe.name!r}")
    if not recipe.sources:
        mistakes.append("sources: wanted at least one source, found none")
    mistakes += [
        f"{place}: has a NUL character, which no name of a file can have"
        for place in _with_nul(value, "")
    ]
    mistakes += [
        f"sources.{name}: a source's name is letters, digits and _"
        for name in recipe.sources
        if not _SOURCE.match(name)
    ]
    if mistakes:
        raise RecipeError(mistakes, where=where)
    return recipe


def _with_nul(value: object, place: str) -> list[str]:
    if isinstance(value, str):
        return [place] if "\0" in value else []
    if isinstance(value, Mapping):
        return [
            bad_place
            for name, inner in value.items()
            for bad_place in _with_nul(inner, f"{place}.{name}" if place else str(name))
        ]
    return (
        [
            bad_place
            for number, inner in enumerate(value)
            for bad_place in _with_nul(inner, f"{place}.{number}")
        ]
        if isinstance(value, list)
        else []
    )


def mistake_lines(
    error: ValidationError,
    model: type[BaseModel] | None = None,
    known: Iterable[str] | None = None,
    prefix: str = "",
) -> list[str]:
    """One readable line for each mistake that pydantic found, with the nearest right word for
    unknown fields.
    """
    lines = []
    for item in error.errors():
        place = prefix + ".".join(
            str(step)
            for step in item["loc"]
            if not str(step).startswith(("function-", "dict[", "list["))
        )
        if item["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            words = known if known is not None else _field_names(model, item["loc"][:-1])
            lines.append(f"{place}: unknown option{nearest(str(item['loc'][-1]), words)}")
        elif item["type"] in ("missing", "missing_argument"):
            lines.append(f"{place}: is required")
        elif item["type"] == "value_error":  # of our own: it says what was found
            lines.append(f"{place.rstrip('.')}: {item['ctx']['error']}")
        else:
            shown = repr(item["input"])
            lines.append(
                f"{place}: {item['msg'][0].lower()}{item['msg'][1:]}, found"
                f" {shown if len(shown) < 80 else shown[:77] + '...'}"
            )
    return lines


def _field_names(model: type[BaseModel] | None, place: tuple[int | str, ...]) -> list[str]:
    if place and place[0] == "shard":
        model = ShardOptions
    return [] if model is None else list(model.model_fields)


def _similar_files(path: Path) -> str:
    folder = path.parent
    return (
        nearest(path.name, [file.name for file in folder.glob("*.y*ml")]) if folder.is_dir() else ""
    )


def _override(value: dict[str, object], text: str) -> str | None:
    """Lay one ``a.b=c`` over the recipe; what is wrong with it, if anything."""
    place, equals, right = text.partition("=")
    if not equals or not place:
        return f"--set {text}: wanted name=value, for example seed=7"
    try:
        new = _load_yaml(right)
    except _YAML_ERRORS:
        new = right
    words = place.split(".")
    if words[0] not in Recipe.model_fields:
        return f"--set {text}: unknown option{nearest(words[0], Recipe.model_fields)}"
    target: dict[str, object] | list[object] = value
    while len(words) > 1:
        words = _words_of(target, words)
        if len(words) == 1:
            break
        if isinstance(target, list):
            position = _list_position(target, words)
            whole = next(
                (entry for entry in target if ".".join(words) == _address(entry)),
                None,
            )
            if whole is not None:
                return (
                    f"--set {text}: {place} is a stage; set its options one by one, like"
                    f" {place}.OPTION=VALUE"
                )
            if position is None:
                return f"--set {text}: no entry of the list fits {'.'.join(words)!r}"
            index, used = position
            address = _address(target[index])
            if not address:
                return f"--set {text}: entry {index} of the list is no stage with options"
            same = [number for number, entry in enumerate(target) if _address(entry) == address]
            if used and len(same) > 1:
                numbers = ", ".join(map(str, same))
                return (
                    f"--set {text}: entries {numbers} are all {address}; say which by its number,"
                    f" like {place.partition('.')[0]}.{same[-1]}.{'.'.join(words[used:])}"
                )
            if not used:  # by its number, with its address behind it or without
                words = words[1:]
                parts = address.split(".")
                used = len(parts) if words[: len(parts)] == parts and words != parts else 0
            entry = target[index]
            if not isinstance(entry, dict) or entry[address] is None:
                entry = {address: {}}
                target[index] = entry
            options: object = entry[address]
            words = words[used:]
            if not isinstance(options, dict):
                return f"--set {text}: {address} has no options by name"
            target = options
            continue
        if target.get(words[0]) is None:
            target[words[0]] = {}
        section = target[words[0]]
        words = words[1:]
        if not isinstance(section, (dict, list)):
            return f"--set {text}: {place.rsplit('.', 1)[0]} is a plain value, not a section"
        target = section
    if isinstance(target, list):
        if not words[0].isdigit() or int(words[0]) >= len(target):
            return f"--set {text}: the list has entries 0 to {len(target) - 1}"
        target[int(words[0])] = new
    else:
        target[words[0]] = new
    return None


def _words_of(target: object, words: list[str]) -> list[str]:
    """The words of a place, the first of them joined where the mapping has a name with dots."""
    for count in range(len(words), 1, -1):
        name = ".".join(words[:count])
        if isinstance(target, dict) and name in target:
            return [name, *words[count:]]
    return words


def _address(entry: object) -> str:
    """What an entry of a list is called: ``clean.text``, or ``{clean.text: {...}}``; empty for what
    is neither.
    """
    if isinstance(entry, dict):
        entry = next(iter(entry), "")
    return entry if isinstance(entry, str) else ""


def _list_position(entries: list[object], words: list[str]) -> tuple[int, int] | None:
    """Index of the list entry meant by the next words, and how many words its address takes (0: it
    was an index).
    """
    if words[0].isdigit():
        return (int(words[0]), 0) if int(words[0]) < len(entries) else None
    for index, entry in enumerate(entries):
        address = _address(entry)
        parts = address.split(".")
        if words[: len(parts)] == parts and len(words) > len(parts):
            return index, len(parts)
    return None
