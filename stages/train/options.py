"""What a recipe's ``train`` section may say; checked without torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...schemas.contents import Contents
from ...schemas.errors import nearest
from ...schemas.recipe import mistake_lines
from ..copies import placed_copies
from ..modality import ModalityOptions, modality, names
from .methods.card import Card, Choice, mistakes, split_choice
from .methods.encoders import ENCODERS, FIRST_OF_FEATURES, READ_CACHES
from .methods.fusions import FUSIONS
from .methods.loggers import LOGGERS
from .methods.losses import LOSSES
from .methods.missing import MISSING
from .methods.presets import METHODS
from .methods.tasks import TASKS, refused
from .metrics.metric import mistake

MOST_PARTS = 8
MANY_TIMES = ("multitask",)  # each time with another target


class InputOptions(BaseModel):
    """How one part goes into the model: what all inputs take. What is said beside it is for the
    modality (``own``).
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    encoder: str | dict[str, dict[str, object]] | None = Field(
        None,
        description="an encoder that 'modalmill methods' lists, or {word: {option: value}}; by the"
        " modality where it is not given",
    )
    same_as: str | None = Field(
        None,
        description="another input of the same modality, whose encoder (and vocabulary) is this"
        " one's too",
    )
    feature: bool = Field(
        False, description="read the cached features of this part instead of the medium"
    )
    reduce: Literal["pca", "lda"] | None = Field(
        None,
        description="fewer features of a cached vector (of a sequence, of each vector), along axes"
        " fitted on the training split",
    )
    rank: int = Field(32, ge=1, description="how many axes")

    def own(self, kind: str) -> ModalityOptions:
        """The options of the modality, those of others left out."""
        options = modality(kind).options
        return options.model_validate(
            {
                name: value
                for name, value in (self.model_extra or {}).items()
                if name in options.model_fields
            }
        )

    def mistakes(self, where: str, kinds: Iterable[str]) -> list[str]:
        """What it says that none of these modalities takes, one line each."""
        if self.feature:
            return [
                f"{where}.{option}: an option of the medium, and this input reads cached features"
                for option in self.model_extra or {}
            ]
        lines = []
        fields_by_kind = {name: modality(name).options.model_fields for name in names()}
        for option, value in (self.model_extra or {}).items():
            takers = [kind for kind in kinds if option in fields_by_kind[kind]]
            others = [kind for kind, fields in fields_by_kind.items() if option in fields]
            if takers:
                problems = [_mistakes_of(kind, {option: value}, where) for kind in takers]
                lines += [] if [] in problems else problems[0]
            elif others:
                mine = sorted({name for kind in kinds for name in fields_by_kind[kind]})
                takes = f"which takes {', '.join(mine)}" if mine else "which has no options"
                lines.append(
                    f"{where}.{option}: an option of {' and '.join(others)}, and this part is"
                    f" {' or '.join(kinds)}, {takes}"
                )
            elif self.encoder and option in _encoder_options(self.encoder):
                word = split_choice(self.encoder)[0]
                lines.append(
                    f"{where}.{option}: an option of the encoder; write encoder: {{{word}:"
                    f" {{{option}: {value!r}}}}}"
                )
            else:
                words = {
                    *type(self).model_fields,
                    *(word for fields in fields_by_kind.values() for word in fields),
                }
                lines.append(f"{where}.{option}: unknown option{nearest(option, words)}")
        return lines


class TrainOptions(BaseModel):
    """One training run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str = Field("classification", description="a task that 'modalmill methods' lists")
    target: str = Field(
        description="name of the target; for vqa the list of the annotators' answers, for"
        " multilabel the list of labels"
    )
    inputs: dict[str, InputOptions] = Field(min_length=1)
    method: str | None = Field(
        None,
        description="a name of 'modalmill methods' for some of the options below; what is given"
        " beside it goes before",
    )
    encoders: dict[str, str | dict[str, dict[str, object]]] = Field(
        default_factory=dict,
        description="modality (or feature, or sequence) -> encoder of all its inputs that do not"
        " name one, chosen likewise",
    )
    fusion: str | dict[str, dict[str, object]] = Field(
        "attention", description="a word that 'modalmill methods' lists, or {word: {option: value}}"
    )
    missing: str | dict[str, dict[str, object]] = Field(
        "masked", description="what stands for an absent part, chosen likewise"
    )
    losses: list[str | dict[str, dict[str, object]]] = Field(
        default_factory=list, description="what is asked beside the task, chosen likewise"
    )
    class_weights: bool = Field(False, description="let rare classes count more: N / (C n_c)")
    balance: bool = Field(
        False,
        description="let every class come equally often, records of rare ones several times an"
        " epoch",
    )
    focal: float = Field(0.0, ge=0, description="focal loss: rows count by (1 - p)^focal")
    width: int = Field(128, ge=8, description="width of the common space")
    hidden: int = Field(256, ge=8)
    metric: str | None = Field(
        None,
        description="what chooses the best epoch and heads the tables; the task's own where not"
        " given",
    )
    answers: int = Field(
        1000, ge=1, description="at most so many classes, the commonest of the training split"
    )
    epochs: int = Field(20, ge=1)
    batch_size: int | None = Field(
        None,
        ge=1,
        description="records a step; where it is not given 64, or fewer for a small training split,"
        " so that an epoch has 20 steps",
    )
    buckets: dict[str, list[Annotated[float, Field(gt=0)]]] = Field(
        default_factory=dict,
        max_length=1,
        description="a text, sound or cached sequence -> lengths in tokens, seconds or vectors:"
        " each batch holds records of one class of length",
    )
    learning_rate: float = Field(1e-3, gt=0)
    optimiser: Literal["adamw", "adam", "sgd", "rmsprop"] = "adamw"
    schedule: Literal["one_cycle", "cosine", "constant"] = "one_cycle"
    rates: dict[str, Annotated[float, Field(ge=0, le=1000)]] = Field(
        default_factory=dict,
        description="name of parameters (encoders.image) -> their share of the learning rate",
    )
    freeze: list[str] = Field(
        default_factory=list,
        description="names of parameters that stay as they are (encoders.image)",
    )
    start: str | dict[str, str] | None = Field(
        None,
        description="a checkpoint or state_dict whose tensors of the same names and shapes are"
        " taken over; or part -> state_dict of its encoder",
    )
    accumulate: int = Field(1, ge=1, description="batches whose gradients make one step")
    ema: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="decay of a moving mean of the weights, which is evaluated and saved then; 0"
        " for none",
    )
    weight_decay: float = Field(1e-2, ge=0)
    dropout: float = Field(0.2, ge=0, lt=1)
    modality_dropout: float = Field(
        0.3,
        ge=0,
        lt=1,
        description="share of present parts hidden in training; never all of a record",
    )
    augment: list[str | dict[str, dict[str, object] | None]] = Field(
        default_factory=list,
        description="augmenting stages as in 'stages': each pass changes the training records as"
        " they would have changed their copies",
    )
    absent: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of present parts that training never sees, the same ones every epoch",
    )
    complete_only: bool = Field(
        False, description="learn from the records that have every part alone (a baseline)"
    )
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    patience: int = Field(
        0, ge=0, description="stop after so many epochs without a better validation; 0 never"
    )
    train_split: str = "train"
    val_split: str = "val"
    device: str = Field("auto", description="auto takes a GPU when there is one")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="auto is bf16 on a GPU that has it, fp32 elsewhere"
    )
    compile: bool = Field(False, description="torch.compile the step: slow at first, faster later")
    deterministic: bool = Field(
        False,
        description="only algorithms that give the same bits every time, where torch has them",
    )
    threads: int | None = Field(None, ge=0, description="decoding threads")
    save_every_s: float = Field(
        300.0, ge=0, description="how often last.pt is written within an epoch; 0 after every step"
    )
    log: list[str | dict[str, dict[str, object]]] | None = Field(
        None,
        description="where the numbers of each epoch go beside log.jsonl, chosen likewise;"
        " tensorboard, if it is installed, where it is not given",
    )
    checks: bool = Field(
        True, description="look for what would make training pointless before it begins"
    )

    def mistakes(self, here: Contents) -> list[str]:
        """What the options ask for that records cannot hold, one line each."""
        lines = here.lacking_targets("train.target", [self.target])
        refusal = refused("train.target", self.task, self.target, here.targets.get(self.target))
        lines += [refusal] if refusal else []
        for name, spec in self.inputs.items():
            reads = ENCODERS[split_choice(spec.encoder)[0]].reads if spec.encoder else "feature"
            lines += here.lacking_parts(
                f"train.inputs.{name}", [name], None if reads in READ_CACHES else reads
            )
            part = here.parts.get(name)
            if part is not None and not spec.feature and not encoder_choice(spec, part, self):
                lines.append(
                    f"train.inputs.{name}: no encoder reads a {part} as it is; give it feature:"
                    f" true, and the recipe features: {{{name}: ...}}"
                )
            lines += (
                []
                if part is None or spec.feature
                else spec.mistakes(f"train.inputs.{name}", [part])
            )
        for word, options in map(split_choice, self.losses):
            if options.get("target"):
                lines += here.lacking_targets(
                    f"train.losses.{word}.target", [str(options["target"])]
                )
        for placed in placed_copies(self.augment, "train.augment")[0]:
            lines += [f"train.augment: {line}" for line in placed.stage.mistakes(here)]
        lines += here.lacking_split("train.train_split", self.train_split)
        word, own = split_choice(self.fusion)
        is_fitted = FUSIONS[word].is_fitted or bool(own.get("grid"))
        if "val_split" in self.model_fields_set or is_fitted:
            lines += here.lacking_split("train.val_split", self.val_split)
        return lines


def parse_options(value: Mapping[str, object]) -> tuple[TrainOptions | None, list[str]]:
    """The options, or every mistake in them as one line each."""
    if not isinstance(value, Mapping):
        return None, [f"train: wanted options by name, found {value!r}"]
    problems: list[str] = []
    preset = METHODS.get(str(value.get("method")))
    if value.get("method") is not None:
        if preset is None:
            return None, [
                "train.method: no such method"
                f" {value['method']!r}{nearest(str(value['method']), METHODS)}"
            ]
        given = value.get("encoders") or {}
        value = {**preset.options, **value}
        if isinstance(given, Mapping) and (both := {**preset.options.get("encoders", {}), **given}):
            value["encoders"] = both
    inputs = value.get("inputs")
    if isinstance(inputs, Mapping):
        value = {
            **value,
            "inputs": {name: {} if entry is None else entry for name, entry in inputs.items()},
        }
    try:
        options = TrainOptions.model_validate(value)
    except ValidationError as error:
        return None, mistake_lines(error, TrainOptions, prefix="train.")
    return (None if _found(options, problems) else options), problems


def with_method(section: Mapping[str, object], word: str) -> dict[str, object]:
    """The ``train`` section with what a method sets in the place of its own; encoders of inputs
    give way to encoders that the method chooses.
    """
    preset = METHODS[word].options
    merged = {name: value for name, value in {**section, **preset}.items() if name != "method"}
    inputs, encoders = section.get("inputs"), preset.get("encoders", {})
    if encoders:
        given = section.get("encoders") or {}
        merged["encoders"] = {**given, **encoders} if isinstance(given, Mapping) else given
    if encoders and isinstance(inputs, Mapping):
        merged["inputs"] = {
            name: _without_encoder(entry, encoders) for name, entry in inputs.items()
        }
    return merged


def _without_encoder(entry: object, encoders: Mapping[str, str]) -> object:
    """An input's options without its encoder, if a method has another for what that one reads."""
    if not isinstance(entry, Mapping):
        return entry
    encoder = entry.get("encoder")
    word = next(iter(encoder), "") if isinstance(encoder, Mapping) else encoder
    card = ENCODERS.get(str(word))
    return (
        {key: value for key, value in entry.items() if key != "encoder"}
        if card is not None and card.reads in encoders
        else entry
    )


def encoder_choice(spec: InputOptions, reads: str, options: TrainOptions) -> Choice:
    """The encoder of an input: its own, that of what it is read as (a modality, ``feature``,
    ``sequence``), or the first one that reads it.
    """
    first = FIRST_OF_FEATURES.get(reads) or modality(reads).first_encoder
    return spec.encoder or options.encoders.get(reads) or first


def _encoder_options(choice: Choice) -> Mapping[str, object]:
    card = ENCODERS.get(split_choice(choice)[0])
    return {} if card is None else card.defaults()


def _mistakes_of(kind: str, options: Mapping[str, object], where: str) -> list[str]:
    try:
        modality(kind).options.model_validate(options)
    except ValidationError as error:
        return mistake_lines(error, modality(kind).options, prefix=f"{where}.")
    return []


def _mistakes_in_list(
    where: str,
    choices: Sequence[Choice],
    cards: Mapping[str, Card],
    parts: int,
    many_times: Container[str] = (),
) -> list[str]:
    """What is wrong with several choices of one kind, each of which may stand there once."""
    lines = [line for choice in choices for line in mistakes(where, choice, cards, parts)]
    counts = Counter(split_choice(choice)[0] for choice in choices)
    twice = [word for word, count in counts.items() if count > 1 and word not in many_times]
    return lines + [f"{where}: {word}: given twice" for word in twice]


def _mistakes_of_classes(options: TrainOptions) -> list[str]:
    """What is asked of classes that cannot be together, or of a task that has none."""
    lines = []
    weighed = [name for name in ("class_weights", "focal", "balance") if getattr(options, name)]
    if weighed and not TASKS[options.task].one_class:
        lines.append(
            f"train.{weighed[0]}: weighs a task whose answer is one class, and the task is"
            f" {options.task}"
        )
    if options.balance and options.class_weights:
        lines.append(
            "train.balance: classes come equally often, and class_weights would weigh them once"
            " more; take one of them"
        )
    if options.balance and options.buckets:
        lines.append("train.balance: cannot be together with buckets; take one of them")
    return lines


def _found(options: TrainOptions, problems: list[str]) -> bool:
    """Whether there are mistakes; those that one option alone does not show are added."""
    parts = len(options.inputs)
    if options.task not in TASKS:
        problems.append(f"train.task: no such task {options.task!r}{nearest(options.task, TASKS)}")
        return True
    task = TASKS[options.task]
    problems += _mistakes_of_classes(options)
    if parts > MOST_PARTS:
        problems.append(
            f"train.inputs: {parts} inputs make {2**parts} subsets to evaluate; wanted at most"
            f" {MOST_PARTS}"
        )
    problems += mistakes("train.fusion", options.fusion, FUSIONS, parts) + mistakes(
        "train.missing", options.missing, MISSING, parts
    )
    problems += placed_copies(options.augment, "train.augment")[1]
    problems += _mistakes_in_list("train.losses", options.losses, LOSSES, parts, MANY_TIMES)
    problems += _mistakes_in_list("train.log", options.log or [], LOGGERS, parts)
    wrong = mistake(options.task, options.metric, task.metric) if options.metric is not None else ""
    problems += [f"train.metric: {wrong}"] if wrong else []
    problems += _mistakes_of_encoders(options)
    parts_started = options.start if isinstance(options.start, dict) else {}
    problems += [
        f"train.start.{name}: no such input{nearest(name, options.inputs)}"
        for name in parts_started
        if name not in options.inputs
    ]
    problems += _mistakes_of_buckets(options)
    for name in options.inputs:
        problems += _mistakes_of_input(name, options)
    return bool(problems)


def _mistakes_of_encoders(options: TrainOptions) -> list[str]:
    """Of encoders that are chosen for a modality."""
    problems = []
    for kind, choice in options.encoders.items():
        where, word = f"train.encoders.{kind}", split_choice(choice)[0]
        if kind not in (*names(), *READ_CACHES):
            problems.append(f"{where}: no such modality{nearest(kind, (*names(), *READ_CACHES))}")
        elif word not in ENCODERS or ENCODERS[word].reads != kind:
            own = [name for name, card in ENCODERS.items() if card.reads == kind]
            problems.append(
                f"{where}: no encoder of {kind} is called {word!r}; there are {', '.join(own)}"
            )
        else:
            problems += mistakes(where, choice, ENCODERS, len(options.inputs))
    return problems


def _mistakes_of_buckets(options: TrainOptions) -> list[str]:
    problems = []
    for name, lengths in options.buckets.items():
        if name not in options.inputs:
            problems.append(f"train.buckets.{name}: no such input{nearest(name, options.inputs)}")
        elif not lengths:
            problems.append(
                f"train.buckets.{name}: wanted lengths of a text, a sound or a cached sequence,"
                f" found {lengths}"
            )
    return problems


def _mistakes_of_input(name: str, options: TrainOptions) -> list[str]:
    spec, where, problems = options.inputs[name], f"train.inputs.{name}", list[str]()
    reads = ""
    if spec.encoder is not None:
        word = split_choice(spec.encoder)[0]
        if word in ENCODERS:
            reads = ENCODERS[word].reads
            problems += mistakes(f"{where}.encoder", spec.encoder, ENCODERS, len(options.inputs))
        else:
            problems.append(f"{where}.encoder: no such encoder {word!r}{nearest(word, ENCODERS)}")
    problems += spec.mistakes(where, [reads] if reads in names() else names())
    if spec.reduce is not None and not spec.feature:
        problems.append(f"{where}.reduce: wants cached features; give it feature: true")
    if spec.reduce == "lda" and not TASKS[options.task].one_class:
        problems.append(f"{where}.reduce: lda wants classes, and the task is {options.task}")
    twin, above = spec.same_as, list(options.inputs)[: list(options.inputs).index(name)]
    if twin is not None and twin not in above:
        problems.append(f"{where}.same_as: wanted an input above this one, found {twin!r}")
    elif twin is not None and options.inputs[twin].model_copy(update={"same_as": twin}) != spec:
        problems.append(
            f"{where}.same_as: {name} and {twin} share an encoder, and have to have the same"
            " options"
        )
    return problems
