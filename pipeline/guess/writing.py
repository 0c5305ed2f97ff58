"""A proposed recipe as YAML, each part of it with the reason beside it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import yaml

from ..terminal import harmless
from .proposal import Proposal

_WIDTH = 100


def recipe_text(proposal: Proposal, name: str, data: str, title: str) -> str:
    """The recipe as YAML that ``run`` takes as it is."""
    lines = [
        *_comment(
            f"{title} Each comment says what was found; nothing in here is more than a guess."
        ),
        f"name: {_value(name)}",
        f"data: {_value(data)}",
        "seed: 0",
        "",
        "sources:",
    ]
    for source in proposal.sources:
        lines += [line for told in source.told for line in _comment(told, "  ")]
        lines.append(f"  {source.name}:")
        for key, value in source.options.items():
            lines += _in_lines(key, value, "    ")
    lines += ["", "stages:" if proposal.stages else "stages: []"]
    for stage in proposal.stages:
        line = f"  - {stage.address}: {_value(stage.options)}"
        fits = len(line) + len(stage.why) + 4 <= _WIDTH
        lines += [] if fits else _comment(stage.why, "  ")
        lines.append(f"{line}  # {stage.why}" if fits and stage.why else line)
    if proposal.features:
        lines += ["", "features:", *_pairs(proposal.features)]
    lines += ["", f"shard: {_value(proposal.shard)}", ""]
    lines += _comment(f"task: {proposal.task}; {proposal.why_task}")
    if proposal.train is not None:
        lines.append("train:")
        for key, value in proposal.train.items():
            if key == "inputs" and isinstance(value, Mapping):
                lines += ["  inputs:", *(f"  {line}" for line in _pairs(value))]
            else:
                lines += _pairs({key: value})
    if proposal.passed_over:
        lines += ["", *_comment("Passed over:")]
        for line in proposal.passed_over:
            lines += _comment(f"- {line}")
    return "\n".join(lines) + "\n"


def _pairs(values: Mapping[str, object]) -> list[str]:
    return [f"  {_value(key)}: {_value(value)}" for key, value in values.items()]


def _in_lines(key: str, value: object, indent: str) -> list[str]:
    """An option in one line, or in one for each of its own where that is too long."""
    line = f"{indent}{_value(key)}: {_value(value)}"
    if len(line) <= _WIDTH or not isinstance(value, Mapping):
        return [line]
    below = [text for name, own in value.items() for text in _in_lines(name, own, f"{indent}  ")]
    return [f"{indent}{_value(key)}:", *below]


def _value(value: object) -> str:
    """A value in one line of YAML."""
    text: str = yaml.safe_dump(
        value, default_flow_style=True, allow_unicode=True, width=float("inf"), sort_keys=False
    )
    return text.removesuffix("...\n").strip()


def _comment(text: str, indent: str = "") -> list[str]:
    """Lines of comment; whatever stands in names of files, each line is one."""
    plain = " ".join(harmless(text).split())
    return textwrap.wrap(
        plain,
        _WIDTH,
        initial_indent=f"{indent}# ",
        subsequent_indent=f"{indent}# ",
        break_long_words=False,
        break_on_hyphens=False,
    )
