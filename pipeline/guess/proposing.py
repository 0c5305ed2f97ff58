"""A recipe proposed for what was found in a folder."""

from __future__ import annotations

import itertools
import posixpath
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from .claims import Claim, as_name, left_over
from .columns import split_word
from .containers import ContainerFinding
from .families import with_splits, without_repeats
from .joining import find_joins
from .looking import FolderFindings, TableFinding
from .media import find_media
from .proposal import Proposal
from .sources import (
    ProposedSource,
    from_captions,
    from_container,
    from_media,
    from_table,
    from_vqa,
)
from .splits import folder_split
from .steps import add_shard, add_stages
from .training import add_training, find_aim, name_task

_FEW_TORN = 0.01
_SAY_NOTHING = ("", "data", "default", "shards")  # names of folders


def propose(findings: FolderFindings) -> Proposal:
    """The recipe that reads what was found; it has no sources where there is nothing to learn
    from.
    """
    passed_over = list(findings.passed_over)
    sources = _sources(findings, passed_over)
    _without_torn_splits(sources, passed_over)
    says = [one for one in sources if one.parts or one.targets or one.splits]
    joins = find_joins(says)
    joined = {name for join in joins for name in join.sources}
    alone = [one for one in sources if one.is_companion and one.name not in joined]
    told = "\n".join(passed_over)
    passed_over += [
        f"{source.options['path']}: no text, file or numbers to learn from, and its ids are not"
        f" those of another table or folder ({'; '.join(source.told)})"
        for source in alone
        if f"{source.options['path']}: " not in told
    ]
    kept = [source for source in sources if source not in alone]
    proposal = Proposal(sources=kept, joins=joins, passed_over=passed_over)
    if kept:
        aim = find_aim(proposal)
        name_task(proposal, aim)
        add_stages(proposal, aim[0] if aim else "")
        add_shard(proposal)
        if aim is not None:
            add_training(proposal, aim[0])
    return proposal


def _sources(findings: FolderFindings, passed_over: list[str]) -> list[ProposedSource]:
    sources: list[ProposedSource] = []
    subsets = {split_word(entry.subset) for entry in findings.vqa}
    for entry in findings.vqa:
        name = _free_name(f"vqa_{entry.subset}" if len(findings.vqa) > 1 else "vqa", sources)
        sources.append(from_vqa(entry, name, split_word(entry.subset) if len(subsets) > 1 else ""))
    of_names = {split_word(posixpath.basename(entry.captions)) for entry in findings.captions}
    for captions in findings.captions:
        stem = posixpath.splitext(posixpath.basename(captions.captions))[0]
        split = split_word(stem) if len(of_names) > 1 else ""
        sources.append(from_captions(captions, _free_name(stem, sources), split))
    for container in _wanted(findings, passed_over):
        stem = posixpath.basename(container.path)
        stem = container.kind if stem in _SAY_NOTHING else stem
        sources.append(from_container(container, _free_name(stem, sources)))
    claims: list[Claim] = []
    tables = with_splits(findings.tables, passed_over)
    read = without_repeats(tables, passed_over)
    for table, split, claimed in read:
        # files that lie in many folders are a source of their own, and joined by their names
        own = [claim for claim in claimed if not claim.is_spread]
        stem = posixpath.splitext(posixpath.basename(table.file))[0]
        stem = f"{stem}_{split}" if split and not split_word(stem) else stem
        whole = _with_most_columns(table, split, tables)
        name = _free_name(stem, sources)
        beside = [(other, of_other) for other, _, of_other in read if other is not table]
        sources.append(from_table(table, own, findings, name, split, whole, beside))
        claims += own
    pictures = {entry.images for entry in findings.vqa}
    pictures |= {entry.images for entry in findings.captions}
    spare = [
        file
        for file in left_over(findings.media, claims)
        if posixpath.dirname(file) not in pictures
    ]
    of_tables = {name for source in sources for name in source.splits}
    for folder in find_media(spare):
        split = folder_split(folder.files[0])
        if of_tables - {split} and split and not folder.splits and not folder.split:
            folder = replace(folder, split=split)  # noqa: PLW2901  # test files without a table
        name = _free_name(posixpath.basename(folder.path) or folder.modality, sources)
        sources.append(from_media(folder, findings.cues.get(folder.path, []), findings, name))
    return sources


def _wanted(findings: FolderFindings, passed_over: list[str]) -> list[ContainerFinding]:
    """The containers that are sources: shards that modalmill wrote are of what lies beside them,
    where anything does.
    """
    own = [one for one in findings.containers if one.is_own]
    others = [one for one in findings.containers if not one.is_own]
    if not (others or findings.tables or findings.media or findings.vqa or findings.captions):
        return own
    passed_over += [
        f"{one.path or '.'}: shards that modalmill wrote, of what lies here perhaps; {{type:"
        f" webdataset, path: {one.path or '.'}}} reads them"
        for one in own
    ]
    return others


def _with_most_columns(
    table: TableFinding, split: str, tables: Iterable[tuple[TableFinding, str]]
) -> TableFinding:
    """Of the tables of one set the one that has all columns, for a test set may lack the target."""
    alike = [
        other
        for other, of_other in tables
        if split and of_other and table.columns.keys() <= other.columns.keys()
    ]
    return max([table, *alike], key=lambda other: len(other.columns))


def _free_name(text: str, sources: Iterable[ProposedSource]) -> str:
    """A name for a source: letters, digits and _, not that of another."""
    name = as_name(text) or "data"
    name = name if name[0].isalpha() else f"data_{name}"
    taken = {source.name for source in sources}
    return next(
        one
        for number in itertools.count(1)
        if (one := name if number == 1 else f"{name}_{number}") not in taken
    )


def _without_torn_splits(sources: list[ProposedSource], passed_over: list[str]) -> None:
    """Leave out the splits of a table beside another source that put records of one group (the
    questions of one picture) into several.
    """
    for table in sources:
        for main in sources if table.is_companion and table.split_of else ():
            splits: dict[str, set[str]] = defaultdict(set)
            for name, group in main.groups.items():
                if group and name in table.split_of:
                    splits[group].add(table.split_of[name])
            torn = sum(len(words) > 1 for words in splits.values())
            if torn > _FEW_TORN * len(splits):
                del table.options["split"]
                table.splits = ()
                passed_over.append(
                    f"{table.options['path']}: its splits put records of one group into several, of"
                    f" {torn:,} of {len(splits):,} groups of {main.name}, and are not used"
                )
                break
