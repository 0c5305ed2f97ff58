"""What is packaged is what is on disk; imports go one way."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("schemas", "stages", "pipeline", "demo")


def test_the_packages_listed_are_the_folders_on_disk() -> None:
    listed = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    )
    folders = {
        f"modalmill.{'.'.join(path.parent.relative_to(ROOT).parts)}"
        for room in ROOMS
        for path in (ROOT / room).rglob("__init__.py")
    }
    assert listed == folders | {"modalmill"}


def test_files_that_are_no_code_are_packaged_too() -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"][
        "package-data"
    ]
    listed = {
        str(path.relative_to(ROOT))
        for package, patterns in data.items()
        for pattern in patterns
        for path in ROOT.joinpath(*package.split(".")[1:]).glob(pattern)
    }
    on_disk = {
        str(path.relative_to(ROOT))
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    }
    assert listed == on_disk == {"demo/recipe.yaml", "pipeline/report/style.css"}


def test_only_three_modules_lie_at_the_root() -> None:
    assert {path.name for path in ROOT.glob("*.py")} == {"__init__.py", "__main__.py", "cli.py"}


def test_every_folder_with_code_is_a_package() -> None:
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            assert (path.parent / "__init__.py").is_file()


def test_every_stage_and_command_is_in_the_docs() -> None:
    from modalmill.cli import app
    from modalmill.stages.base import Addressed, Extractor, Source, addresses

    text = "\n".join(
        path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    )
    names = [address for kind in (Addressed, Extractor) for address in addresses(kind)] + [
        address.partition(".")[2] for address in addresses(Source)
    ]
    names += [
        f"modalmill {command.name or command.callback.__name__}"
        for command in app.registered_commands
        if command.callback
    ]
    names += [
        f"modalmill {group.typer_instance.info.name} {command.callback.__name__}"
        for group in app.registered_groups
        if group.typer_instance
        for command in group.typer_instance.registered_commands
        if command.callback
    ]
    assert [name for name in names if name not in text] == []


@pytest.mark.parametrize(
    "path", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda path: path.stem
)
def test_every_recipe_is_free_of_mistakes(path: Path, tmp_path: Path) -> None:
    from modalmill.pipeline.plan import make_plan
    from modalmill.schemas.recipe import load_recipe

    recipe, _ = load_recipe(path)
    assert make_plan(recipe, tmp_path).sources
