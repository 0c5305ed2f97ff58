"""The card beside the tars (README.md): what a set holds, for people, and for Hugging Face
``datasets``, which reads the types of its columns there.

Without it ``datasets`` guesses the columns from the first five samples and refuses a set in which
one of these lacks a part; with it ``load_dataset("OUT/shards", split="train")`` reads any set,
absent parts as None.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import yaml

from ...schemas.index import ShardSet
from ...schemas.json_value import JsonValue
from ...schemas.record import NO_SPLIT
from ..modality import in_record, is_in_record, modality

CARD_FILE = "README.md"
_KINDS: dict[str, dict[str, JsonValue]] = {
    "number": {"dtype": "float64"},
    "text": {"dtype": "string"},
    "list": {"list": "string"},
}
_CUES = {
    "list": [
        {"name": "start_s", "dtype": "float64"},
        {"name": "end_s", "dtype": "float64"},
        {"name": "text", "dtype": "string"},
    ]
}


_BESIDE_SPLITS = "without_split"


def card_text(
    shards: ShardSet,
    members: Mapping[str, str],
    fields: Mapping[str, Mapping[str, str]],
    texts_in_json: bool,
) -> str:
    """The card. ``members``: ending of each kind of member -> the modality of what it holds.
    ``fields``: part -> its fields -> their kind.
    """
    columns: list[dict[str, JsonValue]] = [
        {"name": name, "dtype": "string"} for name in ("__key__", "__url__")
    ]
    columns += [
        {"name": ending, **modality(kind).column}
        for ending, kind in sorted(members.items())
        if ending != "json"
    ]
    columns.append({"name": "json", "struct": _annotation(shards, fields, texts_in_json)})
    splits = sorted({shard.split for shard in shards.shards})
    # "all" (NO_SPLIT) means every split to datasets, so that a set without splits is its "train"
    without = "train" if splits == [NO_SPLIT] else _BESIDE_SPLITS
    files = [
        {"split": without if split == NO_SPLIT else split, "path": f"{split}-*.tar"}
        for split in splits
    ]
    head = {
        "configs": [{"config_name": "default", "data_files": files}],
        "dataset_info": {"features": columns},
    }
    # without parts in common, which YAML would write as references and readers take apart once
    head = json.loads(json.dumps(head))
    counts = ", ".join(
        f"{number:,} records in {split}" for split, number in sorted(shards.splits().items())
    )
    sounds = sorted(ending for ending, kind in members.items() if kind == "audio")
    parts = ", ".join(f"{name} ({modality})" for name, modality in shards.parts.items())
    cast = f"; .cast_column({sounds[0]!r}, datasets.Audio()) decodes" if sounds else ""
    return (
        f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n\n"
        f"# {shards.name}\n\n"
        f"WebDataset shards written by modalmill: {counts}.\n\n"
        f"Parts: {parts}.\n\n"
        '    datasets.load_dataset(".", split="train")          # columns as above, None'
        f" where a part is absent{cast}\n"
        '    webdataset.WebDataset("train-000000.tar")           # members as they are\n'
        '    modalmill.stages.stream.open(".", split="train")    # batches with a mask of'
        " what is present\n"
    )


def _annotation(
    shards: ShardSet, inner: Mapping[str, Mapping[str, str]], texts_in_json: bool
) -> list[dict[str, JsonValue]]:
    """The fields of a sample's json."""
    texts = sorted(name for name, kind in shards.parts.items() if kind == "text")
    fields: list[dict[str, JsonValue]] = [
        {"name": "key", "dtype": "string"},
        {"name": "group", "dtype": "string"},
    ]
    if shards.targets:
        fields.append(
            {
                "name": "targets",
                "struct": [{"name": name, **_KINDS[kind]} for name, kind in shards.targets.items()],
            }
        )
    fields.append(
        {
            "name": "absent",
            "struct": [{"name": name, "dtype": "string"} for name in sorted(shards.parts)],
        }
    )
    if texts:
        fields.append({"name": "cues", "struct": [{"name": name, **_CUES} for name in texts]})
    annotated: dict[str, list[dict[str, JsonValue]]] = {}
    for name, kind in sorted(shards.parts.items()):
        if is_in_record(kind) and (texts_in_json or not in_record(kind).has_member):
            columns = [
                {"name": field, **_KINDS[word]}
                for field, word in sorted(inner.get(name, {}).items())
            ]
            annotated.setdefault(in_record(kind).annotated_under, []).append(
                {"name": name, **({"struct": columns} if columns else {"dtype": "string"})}
            )
    fields += [{"name": under, "struct": columns} for under, columns in sorted(annotated.items())]
    if not texts_in_json:
        return fields
    return [{"name": "key", "dtype": "string"}, {"name": "records", "list": fields}]
