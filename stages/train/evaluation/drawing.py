"""The hand that draws all pictures of training: sizes, colours, letters, and rows of bars beside
the parts that were shown.

Colours are two of Okabe & Ito (2008), which colour-blind people tell apart and which differ in
lightness too; whatever a colour says is said by a place, a line or a number as well. Words come
from data: they are cut, never read as mathematics, and no size depends on how long they are.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.subsets import size_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure, SubFigure

BLUE, ORANGE = "#0072b2", "#e69f00"
DARK, QUIET, PALE = "#222222", "#666666", "#d8dde2"
# Any: matplotlib gives the type by listing all of its options
STYLE: dict[Any, Any] = {
    "text.parse_math": False,  # a class may be called $
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": QUIET,
    "legend.frameon": False,
    "legend.fontsize": 8,
}
DPI = 120
MOST_ROWS = 40
_WIDEST_IN, _TALLEST_IN = 16.0, 20.0
_LONGEST = 28
_ROW_IN = 0.23
_NOTHING = "(nothing)"
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # controls, directions, halves, new lines


def sheet(width_in: float, height_in: float) -> Figure:
    """An empty picture, at most 16 by 20 inches (1,920 by 2,400 pixels)."""
    from matplotlib.figure import Figure

    size = (min(width_in, _WIDEST_IN), min(height_in, _TALLEST_IN))
    return Figure(figsize=size, layout="constrained")


def beside(figure: Figure | SubFigure, *widths: float) -> list[SubFigure]:
    """The picture parted into columns of these widths."""
    return list(np.ravel(np.array(figure.subfigures(1, len(widths), width_ratios=widths))))


def below(figure: Figure | SubFigure, *heights: float) -> list[SubFigure]:
    """The picture parted into rows of these heights."""
    return list(np.ravel(np.array(figure.subfigures(len(heights), 1, height_ratios=heights))))


def in_whole_numbers(axis: Axis) -> None:
    """Let an axis that counts things say no fractions of them."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))


def labels_of(names: Sequence[str], longest: int = _LONGEST) -> list[str]:
    """The names as a picture can show them, no two the same: long ones without their middle, and
    ``#17`` for the seventeenth, counted from 0, where no font here has its letters.

    >>> labels_of(["a", "the longest name that there is in all the world"], 12)
    ['a', 'the lo…world']
    """
    shown = [
        shortened_name(name, longest) if name.strip() and not lacking(name) else f"#{place}"
        for place, name in enumerate(names)
    ]
    counts = {name: shown.count(name) for name in set(shown)}
    taken = {name for name, count in counts.items() if count == 1}
    for place, name in enumerate(shown):
        if counts[name] > 1:
            end = f" #{place}"
            while (word := shortened_name(name, max(2, longest - len(end))) + end) in taken:
                end += "'"
            shown[place] = word
            taken.add(word)
    return shown


def shortened_name(name: str, longest: int = _LONGEST) -> str:
    """A name in one line without its middle, where it is longer than that; what cannot be drawn is
    written out, as ``\\u5317``.
    """
    name = _written_out(" ".join(name.split()))
    if len(name) <= longest:
        return name
    end = (longest - 1) // 2
    return f"{name[: longest - 1 - end]}…{name[len(name) - end :]}"


def _written_out(text: str) -> str:
    missing = set(lacking(text)) if not text.isascii() else set()
    return "".join(
        f"\\u{ord(letter):04x}" if letter in missing or _is_hidden(letter) else letter
        for letter in text
    )


def _is_hidden(letter: str) -> bool:
    return unicodedata.category(letter) in _HIDDEN


def lacking(text: str) -> str:
    """The letters of a text that no font on this machine has."""
    common, others = _common_letters(), _other_fonts()
    return "".join(
        letter
        for letter in dict.fromkeys(text)
        if ord(letter) not in common
        and not letter.isspace()
        and not _is_hidden(letter)
        and not any(ord(letter) in letters for letters in others.values())
    )


def families_of(text: str) -> list[str]:
    """The fonts that a text needs, the common one first."""
    missing = {ord(letter) for letter in text} - _common_letters()
    families = ["DejaVu Sans"]
    for family, letters in (_other_fonts() if missing else {}).items():
        if missing & letters:
            families.append(family)
            missing -= letters
    return families


@functools.cache
def _common_letters() -> frozenset[int]:
    """What the font that comes with matplotlib has."""
    from matplotlib import font_manager

    return frozenset(font_manager.get_font(font_manager.findfont("DejaVu Sans")).get_charmap())


@functools.cache
def _other_fonts() -> Mapping[str, frozenset[int]]:
    """Letters of the other fonts of this machine, by family; not of that of last resort, whose
    letters are boxes.
    """
    from matplotlib import font_manager

    found: dict[str, frozenset[int]] = {}
    for entry in sorted(font_manager.fontManager.ttflist, key=lambda entry: entry.name):
        if entry.name in found or "Last Resort" in entry.name:
            continue
        try:
            found[entry.name] = frozenset(font_manager.get_font(entry.fname).get_charmap())
        except (OSError, RuntimeError):  # a font that was removed, or is broken
            continue
    return found


def rows_shown(scores: Mapping[str, float]) -> list[str]:
    """The subsets of parts that a picture has rows for, the best first; of more than 40 all parts,
    all but one, each alone and nothing, and the best of the others.
    """
    order = sorted(scores, key=lambda name: (-scores[name], size_of(name), name))
    most = max(map(size_of, order))
    first = [name for name in order if size_of(name) <= 1 or size_of(name) >= most - 1]
    kept = set([*first, *(name for name in order if name not in set(first))][:MOST_ROWS])
    return [name for name in order if name in kept]


def height_of_rows(count: int) -> float:
    """The inches that so many rows take, with their heads and axes."""
    return 1.9 + _ROW_IN * count


def draw_subsets(
    figure: Figure | SubFigure,
    scores: Mapping[str, Mapping[str, float]],
    metric: str,
    split: str,
    commonest: float,
) -> None:
    """A row for each subset of the parts, the best first: dots for the parts that were shown, a bar
    and a number for the score, a line for its 95 % interval where it has one (an UpSet plot, Lex et
    al. 2014).
    """
    names = rows_shown({name: own[metric] for name, own in scores.items()})
    parts = list(dict.fromkeys(part for name in scores for part in parts_in(name)))
    dots, bars = figure.subplots(1, 2, sharey=True, width_ratios=(max(1, 0.32 * len(parts)), 4))
    _draw_dots(dots, names, parts)
    values = np.array([scores[name][metric] for name in names])
    places = np.arange(len(names))
    bars.barh(places, values, height=0.66, color=PALE, edgecolor=QUIET, linewidth=0.5)
    ends, told = values, ""
    if all("low" in scores[name] for name in names):
        low, high = (np.array([scores[name][end] for name in names]) for end in ("low", "high"))
        bars.hlines(places, low, high, color=BLUE, linewidth=2)
        ends, told = np.maximum(values, high), ", with its 95 % interval"
    bars.axvline(commonest, color=ORANGE, linestyle=(0, (4, 2)), linewidth=1.4)
    least, most = min(*values, commonest, 0.0), max(*ends, commonest, 0.0)
    most = most if most > least else least + 1.0
    reach = most - least
    for place, (value, end) in enumerate(zip(values, ends, strict=True)):
        bars.text(
            max(end, 0.0) + 0.015 * reach,
            place,
            f"{value:.3f}",
            va="center",
            fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )
    bars.set_xlim(least - (0.02 * reach if least < 0 else 0), most + 0.14 * reach)
    bars.set_ylim(len(names) - 0.4, -0.6)
    bars.tick_params(left=False, labelleft=False)
    bars.set_xlabel(
        f"{unit_of(metric)}, on {shortened_name(split)}\n"
        f"dashed: always the commonest answer, {commonest:.3f}"
    )
    left = len(scores) - len(names)
    more = f"; {left:,} more subsets are in the JSON file" if left else ""
    bars.set_title(f"{metric} by the parts shown (●){told}{more}")


def _draw_dots(axes: Axes, names: Sequence[str], parts: Sequence[str]) -> None:
    for row, name in enumerate(names):
        there = [place for place, part in enumerate(parts) if part in parts_in(name)]
        axes.scatter(range(len(parts)), [row] * len(parts), s=26, color=PALE, linewidths=0)
        axes.scatter(there, [row] * len(there), s=26, color=DARK, linewidths=0)
        if len(there) > 1:
            axes.hlines(row, there[0], there[-1], color=DARK, linewidth=1)
    axes.set_xlim(-0.6, len(parts) - 0.4)
    axes.set_xticks(range(len(parts)), labels_of(parts, 18), rotation=90, fontsize=8)
    axes.set_yticks([])
    axes.tick_params(bottom=False, left=False)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("parts shown")


def parts_in(name: str) -> list[str]:
    """The parts of a subset by its name."""
    return [] if name == _NOTHING else name.split("+")


def unit_of(metric: str) -> str:
    """A metric with what its numbers mean, for an axis."""
    if metric.startswith("negative_"):
        return f"{metric.replace('_', ' ')} (in the target's unit, 0 is best)"
    return f"{metric.replace('_', ' ')} (1 is best)"


def fit_letters(figure: Figure) -> list[str]:
    """Give each text of a picture the fonts that its letters need, which are given for those too
    that are made while it is drawn; what no font has is written out, as ``\\u5317``.
    """
    from matplotlib.text import Text

    texts = [text for text in figure.findobj(Text) if not text.get_text().isascii()]
    for text in texts:
        lines = text.get_text().split("\n")
        text.set_text("\n".join(map(_written_out, lines)))
    families = families_of("".join(text.get_text() for text in texts))
    for text in texts:
        text.set_fontfamily(families)
    return families
