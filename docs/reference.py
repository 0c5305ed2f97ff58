"""The pages of the reference, made from the program itself when the documentation is built."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import typer.main
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from modalmill import cli
from modalmill.pipeline.catalogue import signals_text, stage_text
from modalmill.stages.base import Addressed, Extractor, Source, addresses
from modalmill.stages.train.methods.texts import method_text, method_words

_COLUMNS = "96"  # of the texts, which are those of the terminal


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages to those that lie in the folder."""
    os.environ["COLUMNS"] = _COLUMNS
    for name, lines in _PAGES.items():
        content = "\n".join(lines()) + "\n"
        files.append(File.generated(config, f"reference/{name}.md", content=content))
    return files


def _block(text: str) -> str:
    return f"```text\n{text.strip()}\n```\n"


def _stages() -> Iterator[str]:
    yield "# Sources, stages and extractors\n"
    yield "What `modalmill stages NAME` says of each.\n"
    kinds = {"Sources": Source, "Stages": Addressed, "Extractors": Extractor}
    for title, kind in kinds.items():
        yield f"## {title}\n"
        for address in addresses(kind):
            name = address.removeprefix("ingest.")
            yield f"### {name}\n"
            yield _block(stage_text(name).partition("\n")[2])


def _signals() -> Iterator[str]:
    yield "# Signals\n"
    yield "What is known and measured of parts, as `modalmill signals` lists it.\n"
    yield _block(signals_text())


def _commands() -> Iterator[str]:
    yield "# Commands\n"
    for name, command in _every(typer.main.get_command(cli.app)):
        with command.make_context(f"modalmill {name}", [], resilient_parsing=True) as context:
            yield f"## {name}\n"
            yield _block(command.get_help(context))


# Any: typer brings its own copy of the package that makes commands
def _every(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """All commands by their names, those of groups too: ``rules suggest``."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _every(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def _methods() -> Iterator[str]:
    yield "# Methods of training\n"
    yield "What `modalmill methods NAME` says of each.\n"
    for name in sorted(method_words()):
        yield f"## {name}\n"
        yield _block(method_text(name))


_PAGES = {"stages": _stages, "signals": _signals, "commands": _commands, "methods": _methods}
