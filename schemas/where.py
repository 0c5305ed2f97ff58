"""Conditions in words: ``image.sharpness > 50 and split == 'train'``, evaluated on columns by a
stream before any medium is read, and record by record by rules.

The text is parsed by Python's own parser and only names, literals, comparisons, arithmetic,
``and``, ``or``, ``not`` and ``in`` are taken from it; nothing is ever executed. A comparison with a
value that is not there is neither true nor false (three-valued logic, as in SQL), and a record
stays only where the whole is true.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .errors import InputError

Columns: TypeAlias = Callable[[str], pa.Array]
# of one record: a column's value, None where it has none; whether it has a part
Value: TypeAlias = float | str | None
ValueOf: TypeAlias = Callable[[str], Value]
HasPart: TypeAlias = Callable[[str], bool]
_Result = TypeVar("_Result")
_Evaluated: TypeAlias = Callable[[ValueOf, HasPart], Value]
# of all records: a column of values, or one value for all
_Column: TypeAlias = "pa.Array | pa.Scalar"
_COMPARE: dict[type[ast.cmpop], Callable[..., _Column]] = {
    ast.Eq: pc.equal,
    ast.NotEq: pc.not_equal,
    ast.Lt: pc.less,
    ast.LtE: pc.less_equal,
    ast.Gt: pc.greater,
    ast.GtE: pc.greater_equal,
}
_COMBINE: dict[type[ast.operator], Callable[..., _Column]] = {
    ast.Add: pc.add,
    ast.Sub: pc.subtract,
    ast.Mult: pc.multiply,
    ast.Div: pc.divide,
}


_TEXT, _NUMBER = "a text", "a number"
_BACKQUOTED = re.compile(r"`([^`]+)`")
_QUOTED = "_backquoted_"
_ON_VALUES: dict[type[ast.AST], Callable[..., float]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
}


class Where:
    """A parsed condition, or a number made of others. ``names`` are the columns it reads, ``parts``
    the parts it asks for (``'image' in parts``). ``is_condition``: it is no number.
    ``called``: what messages call it.
    """

    def __init__(self, text: str, called: str = "where") -> None:
        self.text = text
        self._called = called
        try:
            self._tree = ast.parse(self._plain(text).strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            place = (
                f" at column {error.offset}"
                if isinstance(error, SyntaxError) and error.offset
                else ""
            )
            raise InputError(
                f"{called} {text!r}: cannot be read{place}; wanted for example:"
                " image.sharpness > 50 and split == 'train'; names with other characters stand in"
                " backquotes"
            ) from None
        self.names: set[str] = set()
        self.parts: set[str] = set()
        self._collect(self._tree)
        self._compiled: _Evaluated | None = None
        is_not = isinstance(self._tree, ast.UnaryOp) and isinstance(self._tree.op, ast.Not)
        self.is_condition = is_not or isinstance(self._tree, (ast.BoolOp, ast.Compare))

    def _plain(self, text: str) -> str:
        """The text with names in backquotes replaced by ones that the parser takes."""
        self._quoted: dict[str, str] = {}

        def taken(match: re.Match[str]) -> str:
            word = f"{_QUOTED}{len(self._quoted)}"
            self._quoted[word] = match[1]
            return word

        return _BACKQUOTED.sub(taken, text)

    def _named(self, node: ast.expr) -> str | None:
        """``image.sharpness`` of a name or an attribute of names."""
        name = _dotted(node)
        return name if name is None else self._quoted.get(name, name)

    def mask(self, columns: Columns, has_part: Columns) -> np.ndarray:
        """``bool [N]``: where the filter is true. ``columns`` gives a column by name, ``has_part``
        a column of booleans by part.
        """
        try:
            result = _condition(self._value(self._tree, columns, has_part))
            if not isinstance(result, (pa.Array, pa.ChunkedArray)) or not pa.types.is_boolean(
                result.type
            ):
                raise self._wrong("is no condition")
            return np.asarray(
                pc.fill_null(result, False).to_numpy(zero_copy_only=False), dtype=bool
            )
        except (pa.ArrowException, OverflowError):
            raise self._wrong("compares what cannot be compared") from None

    def of(self, value_of: ValueOf, has_part: HasPart) -> Value:
        """The value for one record, of a condition True, False or None, where nobody knows."""
        if self._compiled is None:
            self._compiled = self._evaluated(self._tree)
        return self._compiled(value_of, has_part)

    def column(self, columns: Columns) -> pa.Array:
        """The numbers for all records."""
        return self._value(self._tree, columns, columns)

    def _wrong(self, what: str) -> InputError:
        return InputError(f"{self._called} {self.text!r}: {what}")

    def _collect(self, node: ast.expr) -> None:
        name = self._named(node)
        if name is not None:
            self.names.add(name)
            return
        children = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        if isinstance(node, ast.Compare):
            pairs = zip([node.left, *node.comparators], node.comparators, strict=False)
            for (left, right), kind in zip(pairs, node.ops, strict=True):
                if not isinstance(kind, (ast.In, ast.NotIn)):
                    continue
                if self._named(right) == "parts":
                    if not (isinstance(left, ast.Constant) and isinstance(left.value, str)):
                        raise self._wrong("before 'in parts' wanted the name of a part in quotes")
                    self.parts.add(left.value)
                    children.remove(right)
                elif not isinstance(right, (ast.List, ast.Tuple, ast.Set)):
                    raise self._wrong(
                        "after 'in' wanted a list or parts, for example: answer in ['yes', 'no']"
                    )
        for child in children:
            self._collect(child)

    def _value(self, node: ast.expr, columns: Columns, has_part: Columns) -> _Column:
        def value(child: ast.expr) -> _Column:
            return self._value(child, columns, has_part)

        name = self._named(node)
        if name is not None:
            return _in_floats(columns(name))
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float, str)):
            return pa.scalar(
                float(node.value)
                if isinstance(node.value, int) and not isinstance(node.value, bool)
                else node.value
            )
        if isinstance(node, ast.BoolOp):
            join = pc.and_kleene if isinstance(node.op, ast.And) else pc.or_kleene
            joined = self._truth(node.values[0], value)
            for child in node.values[1:]:
                joined = join(joined, self._truth(child, value))
            return joined
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return pc.invert(self._truth(node.operand, value))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return pc.negate(value(node.operand))
        if isinstance(node, ast.BinOp) and type(node.op) in _COMBINE:
            left, right = value(node.left), value(node.right)
            with self._telling("reckons with", (node.left, left), (node.right, right)):
                return _COMBINE[type(node.op)](left, right)
        if isinstance(node, ast.Compare):
            return self._compare(node, value, has_part)
        raise self._not_taken(node)

    def _truth(self, node: ast.expr, value: Callable[[ast.expr], _Column]) -> _Column:
        """The column of what stands beside ``and``, ``or`` and ``not``; InputError where it is no
        condition.
        """
        column = _condition(value(node))
        if not pa.types.is_boolean(column.type):
            raise self._no_truth(node, _kind_of(column))
        return column

    def _no_truth(self, node: ast.expr, kind: str) -> InputError:
        said = self._said(node)
        example = f"{said} == 'en'" if kind == _TEXT else f"{said} > 0"
        return self._wrong(
            f"{said} is {kind}, and no condition, beside and, or, not; compare it, as in {example}"
        )

    @contextmanager
    def _telling(self, does: str, *sides: tuple[ast.expr, _Column]) -> Iterator[None]:
        """What Arrow refuses, in words of the condition: which sides of what kind it has."""
        try:
            yield
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
            said = (f"{self._said(node)}, {_kind_of(column)}" for node, column in sides)
            raise self._wrong(f"{does} what cannot be: {', and '.join(said)}") from None

    def _said(self, node: ast.expr) -> str:
        """A piece of the condition as a person may have written it."""
        text = ast.unparse(node)
        for word, name in self._quoted.items():
            text = text.replace(word, f"`{name}`")
        return text

    def _not_taken(self, node: ast.expr) -> InputError:
        return self._wrong(
            f"holds {ast.unparse(node)!r}, which is not taken; use comparisons, and, or, not, in,"
            " + - * /"
        )

    def _choices(self, node: ast.expr) -> list[float | str]:
        """The values of a list that stands after ``in``."""
        try:
            values = ast.literal_eval(node)
            return [float(item) if isinstance(item, int) else item for item in values]
        except (ValueError, TypeError):
            raise self._wrong("after 'in' wanted a list of plain values") from None

    def _evaluated(self, node: ast.expr) -> _Evaluated:
        """The same for one record, as a function: what is not there makes all that is made of it
        unknown.
        """
        name = self._named(node)
        if name is not None:
            return lambda value_of, _: value_of(name)
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float, str)):
            constant = node.value
            return lambda *_: constant
        if isinstance(node, ast.BoolOp):
            decides = isinstance(node.op, ast.Or)
            inner = [self._evaluated_truth(child) for child in node.values]
            return lambda *record: _joined((each(*record) for each in inner), decides)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            truth = self._evaluated_truth(node.operand)
            return lambda *record: _unless_none(operator.not_, truth(*record))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            operand = self._evaluated(node.operand)
            return lambda *record: _unless_none(operator.neg, self._number(operand(*record)))
        if isinstance(node, ast.BinOp) and type(node.op) in _COMBINE:
            left, right = self._evaluated(node.left), self._evaluated(node.right)
            combine = _ON_VALUES.get(type(node.op), _divided)
            return lambda *record: _unless_none(
                combine, self._number(left(*record)), self._number(right(*record))
            )
        if isinstance(node, ast.Compare):
            links = [
                self._link(left, comparison, right)
                for left, comparison, right in zip(
                    [node.left, *node.comparators], node.ops, node.comparators, strict=False
                )
            ]
            return lambda *record: _joined((link(*record) for link in links), False)
        raise self._not_taken(node)

    def _evaluated_truth(self, node: ast.expr) -> _Evaluated:
        """What stands beside ``and``, ``or`` and ``not``, for one record."""
        evaluated = self._evaluated(node)
        is_negated = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
        if is_negated or isinstance(node, (ast.BoolOp, ast.Compare)):
            return evaluated
        if self._named(node) is None and not isinstance(node, ast.Constant):
            raise self._no_truth(node, _NUMBER)

        def truth(value_of: ValueOf, has_part: HasPart) -> Value:
            value = evaluated(value_of, has_part)
            if value is not None and not isinstance(value, bool):
                raise self._no_truth(node, _TEXT if isinstance(value, str) else _NUMBER)
            return value

        return truth

    def _number(self, value: Value) -> float | None:
        if isinstance(value, str):
            raise self._wrong(f"reckons with {value!r}, which is a text; read it by 'numbers'")
        return value

    def _link(self, left: ast.expr, comparison: ast.cmpop, right: ast.expr) -> _Evaluated:
        """One comparison of a chain, for one record."""
        is_in = isinstance(comparison, ast.In)
        if isinstance(comparison, (ast.In, ast.NotIn)) and self._named(right) == "parts":
            part = left.value  # type: ignore[attr-defined]  # _collect made sure of it
            return lambda _, has_part: has_part(part) == is_in
        value = self._evaluated(left)
        if isinstance(comparison, (ast.In, ast.NotIn)):
            choices = self._choices(right)
            return lambda *record: _unless_none(
                lambda inside: (inside in choices) == is_in, value(*record)
            )
        other, compare = self._evaluated(right), _ON_VALUES.get(type(comparison))
        if compare is None:
            raise self._wrong("uses 'is'; wanted ==")
        return lambda *record: _compared(compare, value(*record), other(*record))

    def _compare(
        self, node: ast.Compare, value: Callable[[ast.expr], _Column], has_part: Columns
    ) -> _Column:
        left, chain = node.left, None
        for kind, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(kind, (ast.In, ast.NotIn)):
                if self._named(right) == "parts":
                    # _collect made sure that it is a constant
                    comparison = has_part(left.value)  # type: ignore[attr-defined]
                else:
                    choices = self._choices(right)
                    inside = value(left)
                    if pa.types.is_null(inside.type):
                        return _condition(inside)
                    inside, _ = _alike(inside, pa.scalar(1.0))
                    with self._telling("compares", (left, inside), (right, pa.array(choices))):
                        among = pc.is_in(inside, value_set=pa.array(choices, inside.type))
                    # is_in says False of a missing value; here it is unknown, also to 'not in'
                    comparison = pc.if_else(pc.is_valid(inside), among, None)
                comparison = pc.invert(comparison) if isinstance(kind, ast.NotIn) else comparison
            elif type(kind) in _COMPARE:
                one, other = _alike(value(left), value(right))
                with self._telling("compares", (left, one), (right, other)):
                    comparison = _COMPARE[type(kind)](one, other)
            else:
                raise self._wrong("uses 'is'; wanted ==")
            chain = comparison if chain is None else pc.and_kleene(chain, comparison)
            left = right
        return chain


def _condition(column: _Column) -> _Column:
    """The same; a column that has no value in any record is a condition that nobody knows."""
    return (
        pa.nulls(len(column), pa.bool_())
        if isinstance(column, pa.Array) and pa.types.is_null(column.type)
        else column
    )


def _in_floats(column: _Column) -> _Column:
    """The same; whole numbers as floats, as one record has them."""
    return column.cast(pa.float64(), safe=False) if pa.types.is_integer(column.type) else column


def _alike(one: _Column, other: _Column) -> tuple[_Column, _Column]:
    """The same; truth values beside numbers as 1 and 0, as Python has them."""
    truths = [pa.types.is_boolean(column.type) for column in (one, other)]
    if truths[0] == truths[1] or not any(map(pa.types.is_floating, (one.type, other.type))):
        return one, other
    return tuple(column.cast(pa.float64()) for column in (one, other))


def _kind_of(column: _Column) -> str:
    """What a column holds, for people."""
    if pa.types.is_boolean(column.type):
        return "a condition"
    is_number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    return _NUMBER if is_number else _TEXT


def _unless_none(function: Callable[..., _Result], *values: Value) -> _Result | None:
    return None if any(value is None for value in values) else function(*values)


def _joined(values: Iterable[Value], decides: bool) -> bool | None:
    """``or`` (True decides) or ``and`` (False does) of three-valued truths."""
    unknown = False
    for value in values:
        if value is None:
            unknown = True
        elif value is decides:
            return decides
    return None if unknown else not decides


def _compared(compare: Callable[..., float], left: Value, right: Value) -> bool | None:
    """None where one is not there, or is a text and the other a number."""
    if left is None or right is None or isinstance(left, str) is not isinstance(right, str):
        return None
    return bool(compare(left, right))


def _divided(left: float, right: float) -> float:
    """As IEEE 754 says, and Arrow does: by zero is infinite, and zero by zero no number."""
    if right:
        return left / right
    return (
        math.nan
        if not left or math.isnan(left)
        else math.copysign(math.inf, left) * (math.copysign(1.0, right))
    )


def _dotted(node: ast.expr) -> str | None:
    """``image.sharpness`` of a name or an attribute of names."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = _dotted(node.value)
        return None if base is None else f"{base}.{node.attr}"
    return None
