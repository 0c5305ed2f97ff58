"""Texts: repaired, normalised, and long enough."""

from __future__ import annotations

import functools
import importlib.util
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from ...schemas.contents import Contents
from ...schemas.manifest import Row
from ...schemas.quantity import FACTS, fact
from ...schemas.record import Fault, Record
from ..base import Bounds, Judgement, TracksOf, judged
from ..modalities.text.lines import full_lines
from ._judging import Judges, Rule
from ._markup import without_html, without_zero_width
from ._personal import (
    KINDS,
    Personal,
    check_phone_numbers,
    masked,
    masked_cues,
    personal_in,
)
from ._presets import content_lines, drops_lines, preset_numbers, preset_rules

if TYPE_CHECKING:
    from spacy.language import Language

# single spaces are as they are to be
_SPACES = re.compile(r"[^\S\n]{2,}|[^\S\n ]")
_LINES = re.compile(r" ?\n\s*")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# ECMA-48: control sequences, and commands to the system
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?)")
_LONGEST_TEXT = 64 << 20
_C1 = {code: bytes([code]).decode("cp1252", "ignore") or None for code in range(0x80, 0xA0)}


@dataclass(frozen=True, kw_only=True)
class Text(Judges):
    """Repairs and normalises texts, masks personal data in them, and refuses those that are too
    short or too long.

    parts: names of the text parts; all of them where it is left out.
    repair: undo text decoded with the wrong encoding, and Windows-1252 punctuation kept as control
        characters.
    strip_html: take away the markup of HTML, scripts and comments; entities become characters.
    strip_zero_width: take away characters that take no place, as zero width spaces, soft hyphens
        and marks of direction.
    unicode: normalisation form, or ``none``.
    personal: what is done about personal data: ``leave`` it, ``count`` it, ``mask`` it ([EMAIL],
        [PHONE], [CARD], [IBAN], [IP]), or ``reject`` the text. How many there were are numbers of
        the part: ``emails``, ``phones``, ``cards``, ``ibans``, ``ips``. Targets are not looked at.
    personal_kinds: which: ``email``, ``phone``, ``card``, ``iban``, ``ip``.
    phone_regions: countries (ISO 3166: GB, US) whose numbers are known as they are dialled there;
        without any, those alone that begin with ``+``.
    spaces: runs of spaces become one; spaces at line ends and at both ends go.
    lower: lower-case everything.
    language: a spaCy language (``en``) whose tokeniser is used when ``stop_words``, ``lemma`` or
        ``pos`` need tokens.
    model: an installed spaCy model (``en_core_web_sm``) or the folder of one, for ``lemma`` and
        ``pos``.
    stop_words: leave out the language's stop words.
    lemma: replace words by their lemmas.
    pos: keep only tokens with these universal part-of-speech tags.
    preset: rules that others published, with their numbers: ``gopher`` (Rae et al. 2021) and
        ``c4`` (Raffel et al. 2020) for pages of the web, ``page`` for both, ``caption`` (Conceptual
        12M and DataComp). ``c4`` and ``page`` take away lines that are no sentences before they
        judge what is left; texts with times keep all.
    min_words, max_words: number of words, by white space. ``on_fault``: reject the record or drop
        the part.
    """

    version: ClassVar[int] = 2
    parts: list[str] | None = None
    repair: bool = True
    strip_html: bool = False
    strip_zero_width: bool = False
    unicode: Literal["NFC", "NFKC", "none"] = "NFC"
    personal: Literal["leave", "count", "mask", "reject"] = "leave"
    personal_kinds: list[Literal["email", "phone", "card", "iban", "ip"]] = field(
        default_factory=lambda: list(KINDS)
    )
    phone_regions: list[str] = field(default_factory=list)
    spaces: bool = True
    lower: bool = False
    language: str = "en"
    model: str | None = None
    stop_words: bool = False
    lemma: bool = False
    pos: list[str] = field(default_factory=list)
    preset: Literal["caption", "page", "gopher", "c4"] | None = None
    min_words: int = 1
    max_words: int = 1_000_000
    on_fault: Literal["reject", "drop_part"] = "reject"

    def __post_init__(self) -> None:
        if (self.lemma or self.pos) and self.model is None:
            raise ValueError(
                "lemma and pos need a spaCy model; set 'model', for example to en_core_web_sm"
            )
        if self.stop_words or self.lemma or self.pos:
            _check_language(self.language, self.model)
        if self.personal == "leave" and self.phone_regions:
            raise ValueError("phone_regions: nothing is looked for; set personal: mask")
        if self.personal != "leave" and "phone" in self.personal_kinds:
            check_phone_numbers(self.phone_regions, self.address)

    def bounds(self) -> dict[str, Bounds]:
        bounds = {
            "min_words": Bounds("words", low=self.min_words),
            "max_words": Bounds("words", high=self.max_words),
        }
        bounds |= {
            rule.option: Bounds(rule.reads, rule.low, rule.high) for rule in self._preset_rules()
        }
        if self.personal == "reject":
            bounds |= {kind: Bounds(f"{kind}s", high=0) for kind in self.personal_kinds}
        return bounds

    def mistakes(self, here: Contents) -> list[str]:
        return here.lacking_parts("parts", self.parts or [], "text")

    def process(
        self, record: Record, seed: int, address: str, tracks: TracksOf | None = None
    ) -> list[Row]:
        """Each text is cleaned once: how much is left of it decides, and it is what goes on."""
        cleaned, done = self._cleaned(record)
        verdicts, fault, taken, _ = self._judge(cleaned)
        if fault is not None:
            # its texts stay as they came, beside the numbers for which it goes no further
            rejected = replace(record, signals=cleaned.signals)
            return [Row(judged(rejected, address, verdicts), fault, address)]
        told = (self._found_in(cleaned), self._lost_by(record, cleaned), *sorted(done))
        note = "; ".join(filter(None, told))
        cleaned = judged(cleaned, address, verdicts)
        dropped = []
        for name, why in taken.items():
            as_it_was = judged(record.with_only(name), address, verdicts)
            dropped.append(Row(as_it_was, replace(why, fate="dropped"), address))
            cleaned = cleaned.without_part(name, "filtered")
        return [*dropped, Row(cleaned, note=note)]

    def judge(self, record: Record) -> Judgement:
        return self._judge(self.apply(record))

    def apply(self, record: Record) -> Record:
        return self._cleaned(record)[0]

    def _cleaned(self, record: Record) -> tuple[Record, set[str]]:
        """The record with clean texts, and what the account is told was done to them."""
        parts, signals, done = dict(record.parts), dict(record.signals), set[str]()
        for name, text in self._texts(record):
            repaired = self._repaired(text, done)
            cues = [replace(cue, text=self._repaired(cue.text, done)) for cue in parts[name].cues]
            if self.personal != "leave":
                # the words of cues stand in lines of their own, or do not
                found = self._personal(repaired.replace("\n", " ") if cues else repaired)
                counts = Counter(each.kind for each in found)
                signals |= {f"{name}.{kind}s": float(counts[kind]) for kind in self.personal_kinds}
                if self.personal == "mask":
                    repaired, cues = masked(repaired, found), masked_cues(cues, self._personal)
            if drops_lines(self.preset) and not cues:
                repaired = content_lines(repaired)
            finished = tuple(replace(cue, text=self._finished(cue.text)) for cue in cues)
            parts[name] = replace(parts[name], text=self._finished(repaired), cues=finished)
            if self.preset is not None:
                numbers = preset_numbers(self.preset, parts[name])
                signals |= {
                    f"{name}.{number}": value
                    for number, value in numbers.items()
                    if number not in FACTS
                }
        return replace(record, parts=parts, signals=signals), done

    def clean(self, text: str) -> str:
        """The cleaned text."""
        text = self._repaired(text, set())
        if self.personal == "mask":
            text = masked(text, self._personal(text))
        if drops_lines(self.preset):
            text = content_lines(text)
        return self._finished(text)

    def _personal(self, text: str) -> list[Personal]:
        return personal_in(text, self.personal_kinds, self.phone_regions)

    def _repaired(self, text: str, done: set[str]) -> str:
        """The text as it was meant, before anything is taken from it; ``done`` gets what the
        account is told of that.
        """
        steps = (
            (self.repair, repair, "texts decoded wrongly or with control characters, repaired"),
            (self.strip_html, without_html, "texts with markup, stripped of it"),
            (self.strip_zero_width, without_zero_width, "texts with characters of no width, taken"),
        )
        for is_wanted, step, said in steps:
            if is_wanted and (changed := step(text)) != text:
                text = changed
                done.add(said)
        return text if self.unicode == "none" else unicodedata.normalize(self.unicode, text)

    def _finished(self, text: str) -> str:
        """The repaired text in the words and spaces that are wanted."""
        if self.stop_words or self.lemma or self.pos:
            text = self._by_token(text)
        if self.lower:
            text = text.lower()
        if self.spaces:
            text = _LINES.sub("\n", _SPACES.sub(" ", text)).strip()
        return text

    def _texts(self, record: Record) -> list[tuple[str, str]]:
        return [
            (name, part.text or "")
            for name, part in record.parts_of("text").items()
            if self.parts is None or name in self.parts
        ]

    def _judge(self, cleaned: Record) -> Judgement:
        """Which texts are too short or too long as they are now."""
        verdicts: dict[tuple[str, str], bool] = {}
        faults: dict[str, Fault] = {}
        for name, text in self._texts(cleaned):
            words = len(text.split())
            verdicts[name, "min_words"] = words >= self.min_words
            verdicts[name, "max_words"] = words <= self.max_words
            fault = self._fault_of(name, words)
            if self.personal == "reject":
                found = self._counts(cleaned, name)
                verdicts |= {(name, kind): not found.get(kind) for kind in self.personal_kinds}
                fault = fault or _personal_fault(name, found)
            for rule, value in self._preset_values(cleaned, name):
                keeps = verdicts[name, rule.option] = rule.keeps(value)
                fault = fault or (None if keeps else rule.fault(value, name))
            if fault is not None:
                faults[name] = fault
        return self.judgement(verdicts, faults)

    def _preset_rules(self) -> tuple[Rule, ...]:
        return () if self.preset is None else preset_rules(self.preset)

    def _preset_values(self, cleaned: Record, name: str) -> Iterator[tuple[Rule, float]]:
        """The rules of the preset, and what they judge a text by, where it is known."""
        for rule in self._preset_rules():
            value = fact(cleaned.parts[name], rule.reads)
            value = cleaned.signals.get(f"{name}.{rule.reads}") if value is None else value
            if value is not None:
                yield rule, value

    def _lost_by(self, record: Record, cleaned: Record) -> str:
        """What the account is told of the lines that the preset took from the texts of a record."""
        if not drops_lines(self.preset):
            return ""
        lost = any(
            len(full_lines(cleaned.parts[name].text or "")) < len(full_lines(text))
            for name, text in self._texts(record)
        )
        return "texts that lost lines which are no sentences" if lost else ""

    def _counts(self, cleaned: Record, name: str) -> dict[str, int]:
        """How much personal data of each kind was in a text."""
        signals = cleaned.signals
        counts = {kind: int(signals.get(f"{name}.{kind}s", 0)) for kind in self.personal_kinds}
        return {kind: count for kind, count in counts.items() if count}

    def _found_in(self, cleaned: Record) -> str:
        """What the account is told of the personal data in the texts of a record."""
        if self.personal == "leave":
            return ""
        found = {kind for name, _ in self._texts(cleaned) for kind in self._counts(cleaned, name)}
        done = "masked" if self.personal == "mask" else "left"
        listed = ", ".join(kind for kind in KINDS if kind in found)
        return f"personal data in texts, {done}: {listed}" if found else ""

    def _fault_of(self, name: str, words: int) -> Fault | None:
        if words < self.min_words:
            return Fault(
                "text_too_short",
                words,
                self.min_words,
                f"{name}: {words} words are left, min_words is {self.min_words}",
            )
        if words > self.max_words:
            return Fault(
                "text_too_long",
                words,
                self.max_words,
                f"{name}: {words} words, max_words is {self.max_words}",
            )
        return None

    def _by_token(self, text: str) -> str:
        pipeline = pipeline_of(self.language, self.model)
        kept = []
        for token in pipeline(text):
            if (self.stop_words and token.is_stop) or (self.pos and token.pos_ not in self.pos):
                continue
            kept.append((token.lemma_ if self.lemma else token.text) + token.whitespace_)
        return "".join(kept)


def _personal_fault(name: str, found: Mapping[str, int]) -> Fault | None:
    """Why a text with personal data goes no further; what they are is not said again."""
    if not found:
        return None
    listed = ", ".join(f"{count} {kind}" for kind, count in found.items())
    return Fault("text_personal_data", sum(found.values()), 0, f"{name}: personal data: {listed}")


def repair(text: str) -> str:
    """The text with wrong decodings undone (ftfy), C1 control characters read as Windows-1252, and
    other controls and terminal escapes left out.

    Wrong decodings come first: a UTF-8 text read as Latin-1 is full of C1 controls, which are its
    bytes. It is done again until nothing changes, for what one pass uncovers may be the next one's;
    a pass that changes anything shortens the text or takes controls away, so there is a last one.

    >>> repair("I\\u0092m")
    'I\\u2019m'
    """
    if text.isascii():
        return _CONTROLS.sub("", _ESCAPES.sub("", text)) if not text.isprintable() else text
    while (fixed := _repaired_once(text)) != text:
        text = fixed
    return fixed


def _repaired_once(text: str) -> str:
    import ftfy

    fixed = ftfy.fix_text(
        text,
        uncurl_quotes=False,
        fix_latin_ligatures=False,
        fix_character_width=False,
        unescape_html=False,
        normalization=None,
    )
    return _CONTROLS.sub("", _ESCAPES.sub("", fixed.translate(_C1)))


def _check_language(language: str, model: str | None) -> None:
    """ValueError where spaCy has no such language or model, or what they stand on is not installed:
    told when the recipe is read.
    """
    import spacy

    if importlib.util.find_spec(f"{spacy.__name__}.lang.{language}") is None:
        raise ValueError(
            f"language: spaCy has no language {language!r}; wanted a code like en, de, fr"
        )
    if model is None:
        pipeline_of(language, model)
        return
    if (Path(model) / "config.cfg").is_file():
        return
    if not model.isidentifier():
        raise ValueError(
            f"model: {model} is no folder of a spaCy model; wanted one with a config.cfg, or the"
            " name of an installed model"
        )
    if importlib.util.find_spec(model) is None:
        raise ValueError(f"model: {model} is not installed; try: python -m spacy download {model}")


@functools.lru_cache(maxsize=4)
def pipeline_of(language: str, model: str | None) -> Language:
    """The spaCy pipeline of a language, blank (a tokeniser and its stop words), or the installed
    model of that name.
    """
    import spacy

    try:
        pipeline = (
            spacy.blank(language) if model is None else spacy.load(model, exclude=["ner", "parser"])
        )
    except ImportError as error:
        raise ValueError(
            f"language: {language!r} needs another package: {' '.join(str(error).split())[:200]}"
        ) from error
    pipeline.max_length = _LONGEST_TEXT  # spaCy's own bound is for parsers, which are not used
    return pipeline
