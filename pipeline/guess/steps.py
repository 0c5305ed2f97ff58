"""The stages between proposed sources and shards, and how media are written."""

from __future__ import annotations

from .proposal import Proposal, ProposedStage

_LOST_AT_MOST = 0.4
_SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}
_SHARES_OF_FEW = {"train": 0.7, "val": 0.15, "test": 0.15}
_FEW = 1000
_DECODES = "what cannot be decoded is rejected"
_PART_GOES = "what cannot be decoded is taken away, the rest of the record stays"


def add_stages(proposal: Proposal, target: str) -> None:
    """Give a proposal its stages: join, require the target (if there is one), clean, keep
    duplicates together, split.
    """
    stages = proposal.stages
    for join in proposal.joins:
        match = {"match": {join.sources[0]: "{group}"}} if join.by_group else {}
        options = {"sources": join.sources, **match}
        stages.append(ProposedStage("align.join", options, "; ".join(join.shares)))
    if target and _is_common(target, proposal):
        stages.append(
            ProposedStage(
                "align.require", _required(target, proposal), "nothing is learnt from others"
            )
        )
    kinds = set(proposal.parts().values())
    media = [kind for kind in ("image", "audio", "video") if kind in kinds]
    for kind in media:
        # of a long film a frame or two may be damaged
        rules: dict[str, object] = {"max_damaged": 0.02} if kind == "video" else {}
        is_alone = len(media) == 1
        fault = {} if is_alone else {"on_fault": "drop_part"}
        why = _DECODES if is_alone else _PART_GOES
        stages.append(ProposedStage(f"clean.{kind}", {**rules, **fault}, why))
    if "text" in kinds:
        stages.append(ProposedStage("clean.text", {}, "encodings and spaces are repaired"))
    if not proposal.official_splits():
        _add_split(proposal)


def add_shard(proposal: Proposal) -> None:
    """Say how the media of a proposal are written: small enough to learn from at first."""
    kinds = set(proposal.parts().values())
    if "image" in kinds:
        proposal.shard["image_short_side"] = 256
    if "audio" in kinds:
        proposal.shard["sample_rate_hz"] = 16000
    if "video" in kinds:
        proposal.shard |= {"video_frames": 8, "video_short_side": 112}


def _is_common(target: str, proposal: Proposal) -> bool:
    """Whether most records have the target: what is missing counts as rejected, and stops a run."""
    with_target = sum(
        source.records * source.targets[target].share
        for source in proposal.sources
        if target in source.targets
    )
    mains = proposal.mains()
    joined = {name for join in proposal.joins for name in join.sources}
    can_have = all(target in source.targets or source.name in joined for source in mains)
    records = sum(source.records for source in mains)
    return can_have and with_target >= (1 - _LOST_AT_MOST) * records


def _required(target: str, proposal: Proposal) -> dict[str, object]:
    mains = proposal.mains()
    if len(mains) == 1 and mains[0].options["type"] == "coco_vqa":
        return {"parts": list(mains[0].parts), "targets": [target]}
    return {"targets": [target]}


def _add_split(proposal: Proposal) -> None:
    proposal.stages.append(
        ProposedStage("clean.duplicates", {}, "the same twice is merged, the alike share a split")
    )
    given = {name for source in proposal.sources for name in source.splits}
    why = f"records that have a split keep it: {', '.join(sorted(given))}" if given else ""
    shares = (
        _SHARES_OF_FEW if sum(source.records for source in proposal.mains()) < _FEW else _SHARES
    )
    proposal.stages.append(ProposedStage("align.split", {"shares": shares}, why))
