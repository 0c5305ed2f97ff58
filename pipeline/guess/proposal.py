"""A proposed recipe, as plain data with the reasons beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .columns import split_word
from .joining import ProposedJoin
from .sources import ProposedSource


@dataclass(frozen=True, slots=True)
class ProposedStage:
    """A stage of the recipe with its options, and why it is there."""

    address: str
    options: Mapping[str, object]
    why: str = ""


@dataclass(kw_only=True, slots=True)
class Proposal:
    """A recipe, and what is to be told of it.

    task: what training would be: classification, regression, multilabel, vqa, retrieval, none; with
    the reason in ``why_task``. passed_over: what is not in the recipe, a line each.
    """

    sources: list[ProposedSource]
    joins: list[ProposedJoin] = field(default_factory=list)
    stages: list[ProposedStage] = field(default_factory=list)
    features: dict[str, object] = field(default_factory=dict)
    shard: dict[str, object] = field(default_factory=dict)
    train: dict[str, object] | None = None
    task: str = "none"
    why_task: str = ""
    passed_over: list[str] = field(default_factory=list)

    def parts(self) -> dict[str, str]:
        """Part -> modality, of all sources."""
        return {part: kind for source in self.sources for part, kind in source.parts.items()}

    def mains(self) -> list[ProposedSource]:
        """The sources whose records are not joined to those of others."""
        joined = {name for join in self.joins for name in join.sources[1:]}
        return [source for source in self.sources if source.name not in joined]

    def official_splits(self) -> list[str]:
        """The splits that the sources give, where every record has one and one of them is to be
        trained on; else nothing.
        """
        names = list(dict.fromkeys(name for source in self.sources for name in source.splits))
        with_split = {source.name for source in self.sources if source.every_record_has_split}
        for join in self.joins:
            if with_split.intersection(join.sources):
                with_split.update(join.sources)
        folds = [name for name in names if name.startswith("fold")]
        is_trained = any(split_word(name) == "train" for name in names) or len(folds) > 2
        is_whole = all(source.name in with_split for source in self.mains())
        return names if is_trained and is_whole else []
