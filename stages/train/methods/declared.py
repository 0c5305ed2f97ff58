"""The options that a class declares: the keyword-only arguments of its constructor, with their
defaults. Its file is read and not run, so that they are known without torch.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from ....schemas.errors import InputError
from ....schemas.json_value import JsonValue
from ... import outside


@outside.forgets
@functools.cache
def declared_options(file: Path, name: str) -> Mapping[str, JsonValue]:
    """Option -> default of the class of this name: of its own constructor, or of that of the first
    of its bases in the same file that has one. InputError for a default that is no plain value.

    A constructor ``__init__(self, width, part, *, layers=2)`` gives ``{"layers": 2}``.
    """
    tree = ast.parse(file.read_text(encoding="utf-8-sig"))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    node = classes.get(name)
    while node is not None:
        for item in node.body:
            if isinstance(item, ast.FunctionDef) and item.name == "__init__":
                return MappingProxyType(_keyword_only(item.args, f"{file}: {node.name}"))
        bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
        node = next((classes[base] for base in bases if base in classes), None)
    return MappingProxyType({})


def _keyword_only(arguments: ast.arguments, where: str) -> dict[str, JsonValue]:
    options: dict[str, JsonValue] = {}
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        try:
            if default is None:
                raise ValueError
            value = ast.literal_eval(default)
        except ValueError:
            found = "none" if default is None else ast.unparse(default)
            raise InputError(
                f"{where}: {argument.arg}: wanted a default that is a plain value (a number, a"
                f" word, a list of numbers), found {found}; a recipe has to know it without running"
                " the file"
            ) from None
        options[argument.arg] = list(value) if isinstance(value, tuple) else value
    return options
