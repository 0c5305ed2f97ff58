"""The house: one word for one idea, a home for every test, links that lead somewhere."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("schemas", "stages", "pipeline", "demo")
# An operator is found by its address and called like its file: clean.image, features.image, the
# modality image.
OPERATORS = (
    "stages/align",
    "stages/clean",
    "stages/augment",
    "stages/features",
    "stages/ingest",
    "stages/modalities",
)
# Read as image.decode and audio.decode: the module says of what.
SAID_WITH_THEIR_MODULE = {"decode"}


def public_names() -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            place = str(path.relative_to(ROOT))
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith(
                    "_"
                ):
                    if (
                        isinstance(node, ast.ClassDef)
                        and place.startswith(OPERATORS)
                        and node.name.lower() == operator_of(path)
                    ):
                        continue
                    # a signal is one file, and the modality says of what
                    if path.parent.name == "signals" and node.name == path.stem:
                        continue
                    found[node.name].append(place)
    return found


def operator_of(path: Path) -> str:
    return (path.parent.name if path.stem == "__init__" else path.stem).replace("_", "")


def test_no_two_public_names_are_the_same() -> None:
    twice = {
        name: places
        for name, places in public_names().items()
        if len(places) > 1 and name not in SAID_WITH_THEIR_MODULE
    }
    assert twice == {}


def bound_by(body: list[ast.stmt]) -> set[str]:
    """The names that a module has when it is imported."""
    names = set()
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def test_a_room_that_offers_names_lists_them() -> None:
    """All that are its own, none that is not there; constants, classes, functions, each by name."""
    wrong = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("__init__.py")):
            body = ast.parse(path.read_text()).body
            names = bound_by(body)
            own = {
                node.name
                for node in body
                if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name[0] != "_"
            }
            listed = [
                name
                for node in body
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
                for name in ast.literal_eval(node.value)
            ]
            in_order = sorted(
                set(listed), key=lambda name: (not name.isupper(), name[0].islower(), name)
            )
            is_right = own <= set(listed) <= names and listed == in_order
            if (
                not is_right
                or any(name[0] == "_" for name in listed)
                or bool(listed) != bool(names)
            ):
                wrong[str(path.relative_to(ROOT))] = listed
    assert wrong == {}


def test_the_walk_names_files_that_are_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    named = set(re.findall(r"`((?:schemas|stages|pipeline)/[\w/]+\.py)", text)) | set(
        re.findall(r"\b((?:schemas|stages|pipeline)/[\w/]+\.py)", text)
    )
    assert len(named) >= 15
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_words_of_the_glossary_are_each_explained_once() -> None:
    words = re.findall(r"^\| (\w+) \|", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    words = [word for word in words if word != "word"]
    assert len(words) == len(set(words)) >= 40


# Rooms whose tests lie as their modules do.
MIRRORED = ("pipeline", "stages/stream", "stages/train")


def test_a_file_of_tests_has_the_name_of_a_module_or_of_its_room() -> None:
    homeless = []
    for room in MIRRORED:
        for path in sorted((ROOT / "tests" / room).rglob("test_*.py")):
            place, name = path.parent.relative_to(ROOT / "tests"), path.stem.removeprefix("test_")
            modules = {module.stem.lstrip("_") for module in (ROOT / place).glob("*.py")}
            if name not in modules | {place.name}:
                homeless.append(str(path.relative_to(ROOT)))
    assert homeless == []
