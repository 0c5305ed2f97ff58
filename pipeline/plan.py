"""The plan of a run: every stage made and checked, before the first byte of data is read."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..schemas.contents import Contents
from ..schemas.errors import InputError, MissingPackageError, RecipeError, nearest
from ..schemas.fingerprint import fingerprint
from ..schemas.recipe import Recipe
from ..schemas.record import is_part_name
from ..stages import outside
from ..stages.base import (
    SOURCE_ROOM,
    Addressed,
    CorpusStage,
    Extractor,
    RecordStage,
    Source,
    addresses,
    entry_of,
    make,
    placed_names,
)
from ..stages.modality import (
    is_in_record,
    mistakes_outside,
    modality,
    names,
    on_disk,
    requested,
)
from ..stages.signal import LIKENESS, measured_anyway, quantities_of, signals_of

if TYPE_CHECKING:
    from ..stages.train.options import TrainOptions

_LIBRARIES = (
    "numpy",
    "opencv-python-headless",
    "simplejpeg",
    "soundfile",
    "soxr",
    "av",
    "pyarrow",
    "pillow",
    "scipy",
    "spacy",
    "ftfy",
)
_AFTER_STAGES = ("manifest", "features", "shard", "train")
LAST_STAGES = ("ingest", "measure", "manifest", "features", "shard", "train")


@dataclass(frozen=True, slots=True)
class Placed:
    """A stage at its place: ``address`` is unique in the recipe (``augment.flip``,
    ``augment.flip#2``).
    """

    address: str
    stage: RecordStage | CorpusStage


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a run will do, made and checked.

    splits: those that its records are meant to be in, and the source or stage that first puts some
        there.
    asked: of the modalities whose media must be measured, decoded once and to the end, and of those
        whose values are, the signals that are wanted, with ``LIKENESS`` where media are compared.
    """

    recipe: Recipe
    root: Path
    sources: dict[str, Source]
    stages: list[Placed]
    features: dict[str, Extractor]
    train: TrainOptions | None = None
    until: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    splits: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def runs(self, step: str) -> bool:
        """Whether a last stage (``features``, ``shard``, ``train``) is part of this run."""
        if self.until is None:
            return True
        return self.until in LAST_STAGES and LAST_STAGES.index(step) <= LAST_STAGES.index(
            self.until
        )


def _measured(
    recipe: Recipe, sources: Mapping[str, Contents], stages: Iterable[Placed]
) -> tuple[frozenset[str], list[str]]:
    """What is to be measured, for a stage reads it or the recipe asks for it: modalities of media,
    and what they measure on request (``audio.speech``); and the mistakes in that.
    """
    here = _together(recipe, sources.values())
    measured: set[str] = set()
    lines: list[str] = []
    for name in recipe.measure:
        asked, mistakes = _asked_for(name.removesuffix(".*"), here)
        measured |= asked
        lines += mistakes
    lines += _unready(measured, "measure")
    for placed in stages:
        asked = set(placed.stage.measured(here))
        lines += _unready(asked - measured, placed.address)
        measured |= asked
        here = placed.stage.contents(here)
    return frozenset(measured | {requested(name)[0] for name in measured}), lines


def _asked_for(name: str, here: Contents) -> tuple[set[str], list[str]]:
    """What a name under ``measure`` asks for; a line where nothing has it."""
    media = {part: kind for part, kind in here.parts.items() if kind in (None, *_measurable())}
    known = dict.fromkeys([*media, *_measurable()])
    whole, _, request = (name, "", "") if name in known else name.partition(".")
    # where the files alone tell what a part is, it may be anything
    kinds = {whole} if whole in _measurable() else {media.get(whole)}
    kinds = set(_measurable()) if None in kinds else kinds
    if whole not in known:
        return set(), [
            f"measure: {name!r} is no part of media, and no modality of them{nearest(name, known)}"
        ]
    if not request:
        return {kind for kind in kinds if kind}, []
    by_word: dict[str, set[str]] = {}
    for kind in filter(None, kinds):
        for each in modality(kind).on_request:
            by_word.setdefault(each, set()).add(f"{kind}.{each}")
        # a signal that gives several numbers may be called by any of them
        for word, number in quantities_of(kind).items():
            if number.on_request:
                by_word.setdefault(word, set()).add(f"{kind}.{number.on_request}")
    asked = by_word.get(request, set())
    return asked, [] if asked else [
        f"measure: nothing that is measured on request of {whole!r} is called"
        f" {request!r}{nearest(request, by_word)}; its other signals: measure: [{whole}]"
    ]


def _unready(asked: Iterable[str], wanted_by: str) -> list[str]:
    """A line for each thing measured on request that cannot be measured on this machine."""
    lines = []
    for kind, request in sorted(map(requested, asked)):
        try:
            if request:
                modality(kind).check_request(request, f"{wanted_by}: {kind}.{request}")
        except (MissingPackageError, InputError) as error:
            lines.append(str(error))
    return lines


def _asked_signals(measured: Iterable[str], compared: Container[str]) -> dict[str, frozenset[str]]:
    """The signals that are wanted of each modality."""
    asked: dict[str, frozenset[str]] = {}
    for kind, request in map(requested, measured):
        own = measured_anyway(kind) | asked.get(kind, frozenset())
        own |= {request} if request else set()
        if not is_in_record(kind) and (kind in compared or on_disk(kind).likeness_anyway):
            own |= {LIKENESS}
        if own:
            asked[kind] = own
    return asked


def _measurable() -> list[str]:
    """The modalities of files, and those of values that there are signals of."""
    return [name for name in names() if not is_in_record(name) or signals_of(name)]


def _together(recipe: Recipe, sources: Iterable[Contents]) -> Contents:
    """What records hold before the first stage."""
    here = Contents(sources=frozenset(recipe.sources))
    for contents in sources:
        here |= contents
    return here


def make_plan(recipe: Recipe, root: Path, until: str | None = None, where: str = "recipe") -> Plan:
    """The plan of a recipe; RecipeError lists every mistake in it, wherever it stands."""
    if recipe.use:
        outside.use(recipe.use)
    problems = mistakes_outside()
    sources = _sources(recipe, problems)
    stages = placed_stages(recipe, problems)
    compared = {
        name
        for placed in stages
        if isinstance(placed.stage, CorpusStage)
        for name in placed.stage.compares()
    }
    features = _features(recipe, problems)
    train = _train(recipe, problems, trains=until in (None, "train"))
    if train is not None:
        problems += _unread_caches(train, features)
    contents, given_by = Contents(), dict[str, str]()
    # with one of them unmade, whatever it gives would be told as missing everywhere after it
    if len(sources) == len(recipe.sources) and len(stages) == len(recipe.stages):
        lines, contents, given_by = _missing_names(recipe, root, sources, stages, features, train)
        problems += lines
    measured = contents.measured
    if until == "measure":
        # whoever only measures wants to see what there is
        kinds = contents.parts.values()
        measured |= {name for name in _measurable() if name in kinds or None in kinds}
    stops = [*LAST_STAGES, *(placed.address for placed in stages)]
    if until is not None and until not in stops:
        problems.append(f"--until {until}: no stage of this recipe{nearest(until, stops)}")
    if not root.is_dir():
        problems.append(f"data: {root} is no folder; set it with --set data=FOLDER")
    if problems:
        raise RecipeError(problems, where=where)
    if until is not None and until not in LAST_STAGES:
        stages = stages[: [placed.address for placed in stages].index(until) + 1]
    elif until in ("ingest", "measure"):
        stages = []
    return Plan(
        recipe,
        root,
        sources,
        stages,
        features,
        train,
        until,
        versions(),
        {name: given_by[name] for name in contents.splits}
        if until is None or until in _AFTER_STAGES
        else {},
        _asked_signals(measured, compared),
    )


def _sources(recipe: Recipe, problems: list[str]) -> dict[str, Source]:
    """Those that can be made; ``problems`` gets what is wrong with the others."""
    sources: dict[str, Source] = {}
    for name, options in recipe.sources.items():
        kind = options.get("type")
        if not isinstance(kind, str):
            problems.append(
                f"sources.{name}: wanted 'type', the kind of source (csv, coco_vqa, ...)"
            )
            continue
        address = kind if kind in addresses(Source) else f"{SOURCE_ROOM}.{kind}"
        source, mistakes = make(
            address,
            Source,
            {key: value for key, value in options.items() if key != "type"},
            f"sources.{name}",
        )
        problems += mistakes
        if source is not None:
            sources[name] = source
    return sources


def placed_stages(recipe: Recipe, problems: list[str]) -> list[Placed]:
    """The stages of a recipe as far as they can be made; ``problems`` gets what is wrong with the
    others.
    """
    made: list[RecordStage | CorpusStage] = []
    for number, entry in enumerate(recipe.stages):
        address, options = entry_of(entry, f"stages.{number}", problems)
        if not address:
            continue
        stage, mistakes = make(address, Addressed, options, f"stages.{number} ({address})")
        problems += mistakes
        if isinstance(stage, (RecordStage, CorpusStage)):
            made.append(stage)
    return [
        Placed(name, stage)
        for name, stage in zip(placed_names(stage.address for stage in made), made, strict=True)
    ]


def _features(recipe: Recipe, problems: list[str]) -> dict[str, Extractor]:
    """As ``_sources``."""
    features: dict[str, Extractor] = {}
    for part, entry in recipe.features.items():
        address, own = entry_of(entry, f"features.{part}", problems)
        if address:
            extractor, mistakes = make(address, Extractor, own, f"features.{part}")
            problems += mistakes
            if extractor is not None:
                features[part] = extractor
    return features


def _train(recipe: Recipe, problems: list[str], trains: bool) -> TrainOptions | None:
    if recipe.train is None:
        return None
    from ..stages.train.options import parse_options

    options, mistakes = parse_options(recipe.train)
    problems += mistakes
    if trains and importlib.util.find_spec("torch") is None:
        problems.append(
            "train: needs the package torch, which is not installed: pip install"
            " 'modalmill[train]'; --until shard stops before it"
        )
    elif trains and options is not None:
        problems += _machine(options) + _uninstalled_loggers(options)
    if recipe.shard is None:
        problems.append("train: training reads shards; give the recipe a shard section (shard: {})")
    if options is not None:
        for part, spec in options.inputs.items():
            if spec.feature and part not in recipe.features:
                problems.append(
                    f"train.inputs.{part}: wants cached features, but features.{part} is not in"
                    f" the recipe{nearest(part, recipe.features)}"
                )
    return options


def _unread_caches(options: TrainOptions, features: Mapping[str, Extractor]) -> list[str]:
    """Inputs of cached features whose encoder reads one vector where there is a sequence, or the
    other way round.
    """
    from ..stages.train.methods.card import split_choice
    from ..stages.train.methods.encoders import ENCODERS
    from ..stages.train.options import encoder_choice

    lines = []
    for part, spec in options.inputs.items():
        if spec.feature and part in features:
            extractor = features[part]
            gives = "feature" if extractor.sequence_limit() is None else "sequence"
            word = split_choice(encoder_choice(spec, gives, options))[0]
            if word in ENCODERS and ENCODERS[word].reads != gives:
                what = "sequences (pool: none)" if gives == "sequence" else "one vector a record"
                own = [name for name, card in ENCODERS.items() if card.reads == gives]
                lines.append(
                    f"train.inputs.{part}.encoder: {extractor.address} gives {what} here, which"
                    f" {word} does not read; wanted {', '.join(own)}"
                )
            if part in options.buckets and gives == "feature":
                lines.append(
                    f"train.buckets.{part}: {extractor.address} gives one vector a record, which"
                    " has no length; wanted pool: none where it takes that"
                )
    return lines


def _uninstalled_loggers(options: TrainOptions) -> list[str]:
    from ..stages.train.methods.loggers import check_loggers

    try:
        check_loggers(options.log)
    except MissingPackageError as error:
        return [str(error)]
    return []


def _machine(options: TrainOptions) -> list[str]:
    """What this machine cannot do of what the options ask for; torch is loaded only if they ask for
    something of their own.
    """
    if options.device in ("auto", "cpu") and options.precision != "fp16":
        return []
    from ..stages.train.loop.device import device_of, precision_of

    try:
        precision_of(options, device_of(options))
    except InputError as error:
        return [str(error)]
    return []


def _at(address: str, mistake: str) -> str:
    """A mistake of a stage with its place: of an option, which it begins with, or of all of it."""
    option, colon, _ = mistake.partition(": ")
    return f"{address}.{mistake}" if colon and " " not in option else f"{address}: {mistake}"


def _missing_names(
    recipe: Recipe,
    root: Path,
    sources: dict[str, Source],
    stages: list[Placed],
    features: dict[str, Extractor],
    train: TrainOptions | None,
) -> tuple[list[str], Contents, dict[str, str]]:
    """Names of parts, targets, splits and sources that nothing before the place where they are used
    can give; what records hold in the end; and of each split the source or stage that first puts
    records there.
    """
    lines: list[str] = []
    of_source: dict[str, Contents] = {}
    for name, source in sources.items():
        try:
            of_source[name] = source.contents_in(root)
        except InputError as error:
            lines.append(f"sources.{name}: {error}")
            continue
        except NotImplementedError:
            lines.append(
                f"sources.{name}: {source.address} has no contents(); it has to say what its"
                " records hold"
            )
            continue
        lines += [
            f"sources.{name}: {part[:60]!r} is no name for a part, which becomes part of file"
            " names; wanted letters, digits, _ and -"
            for part in of_source[name].parts
            if not is_part_name(part)
        ]
    measured, unknown = _measured(recipe, of_source, stages)
    lines += unknown
    here = replace(_together(recipe, of_source.values()), measured=measured)
    given_by: dict[str, str] = {}
    for name, told in of_source.items():
        given_by = dict.fromkeys(told.splits, name) | given_by
    for placed in stages:
        lines += [_at(placed.address, line) for line in placed.stage.mistakes(here)]
        here = placed.stage.contents(here)
        given_by = dict.fromkeys(here.splits, placed.address) | given_by
    for part, extractor in features.items():
        lines += here.lacking_parts(f"features.{part}", [part], extractor.modality)
        lines += [_at(f"features.{part}", line) for line in extractor.mistakes(here)]
    if train is not None:
        lines += train.mistakes(here)
    return lines, here, given_by


def versions() -> dict[str, str]:
    """Versions of modalmill and of the libraries that can change bytes."""
    installed = {"modalmill": __version__}
    for name in _LIBRARIES:
        try:
            installed[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return installed


def identity(stage: Addressed, plan: Plan) -> str:
    """Fingerprint of a stage's options, its version and the library versions."""
    return fingerprint(stage.identity(), plan.versions)
