"""Filters by words: ``image.sharpness > 50 and split == 'train'``, evaluated on columns before any
medium is read.

The text is parsed by Python's own parser and only names, literals, comparisons, arithmetic,
``and``, ``or``, ``not`` and ``in`` are taken from it; nothing is ever executed. A comparison with a
value that is not there is neither true nor false (three-valued logic, as in SQL), and a record
stays only where the whole is true.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ....schemas.errors import InputError

Columns: TypeAlias = Callable[[str], pa.Array]
_COMPARE: dict[type[ast.cmpop], Callable[..., Any]] = {
    ast.Eq: pc.equal,
    ast.NotEq: pc.not_equal,
    ast.Lt: pc.less,
    ast.LtE: pc.less_equal,
    ast.Gt: pc.greater,
    ast.GtE: pc.greater_equal,
}
_COMBINE: dict[type[ast.operator], Callable[..., Any]] = {
    ast.Add: pc.add,
    ast.Sub: pc.subtract,
    ast.Mult: pc.multiply,
    ast.Div: pc.divide,
}


class Where:
    """A parsed filter; ``names`` are the columns it reads, ``parts`` the parts it asks for
    (``'image' in parts``).
    """

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self._tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            place = (
                f" at column {error.offset}"
                if isinstance(error, SyntaxError) and error.offset
                else ""
            )
            raise InputError(
                f"where {text!r}: cannot be read{place}; wanted for example: image.sharpness > 50"
                " and split == 'train'"
            ) from None
        self.names: set[str] = set()
        self.parts: set[str] = set()
        self._collect(self._tree)

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
        except (
            pa.ArrowInvalid,
            pa.ArrowNotImplementedError,
            pa.ArrowTypeError,
            OverflowError,
        ) as error:
            raise self._wrong(
                f"compares what cannot be compared ({str(error).splitlines()[0]})"
            ) from None

    def _wrong(self, what: str) -> InputError:
        return InputError(f"where {self.text!r}: {what}")

    def _collect(self, node: ast.expr) -> None:
        name = _dotted(node)
        if name is not None:
            self.names.add(name)
            return
        if (
            isinstance(node, ast.Compare)
            and len(node.ops) == 1
            and isinstance(node.ops[0], (ast.In, ast.NotIn))
        ):
            if _dotted(node.comparators[0]) == "parts":
                if not (isinstance(node.left, ast.Constant) and isinstance(node.left.value, str)):
                    raise self._wrong("before 'in parts' wanted the name of a part in quotes")
                self.parts.add(node.left.value)
                return
            if not isinstance(node.comparators[0], (ast.List, ast.Tuple, ast.Set)):
                raise self._wrong(
                    "after 'in' wanted a list or parts, for example: answer in ['yes', 'no']"
                )
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self._collect(child)

    def _value(self, node: ast.expr, columns: Columns, has_part: Columns) -> Any:
        def value(child: ast.expr) -> Any:
            return self._value(child, columns, has_part)

        name = _dotted(node)
        if name is not None:
            return columns(name)
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float, str)):
            return pa.scalar(
                float(node.value)
                if isinstance(node.value, int) and not isinstance(node.value, bool)
                else node.value
            )
        if isinstance(node, ast.BoolOp):
            join = pc.and_kleene if isinstance(node.op, ast.And) else pc.or_kleene
            joined = _condition(value(node.values[0]))
            for child in node.values[1:]:
                joined = join(joined, _condition(value(child)))
            return joined
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return pc.invert(_condition(value(node.operand)))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return pc.negate(value(node.operand))
        if isinstance(node, ast.BinOp) and type(node.op) in _COMBINE:
            return _COMBINE[type(node.op)](value(node.left), value(node.right))
        if isinstance(node, ast.Compare):
            return self._compare(node, value, has_part)
        raise self._wrong(
            f"holds {ast.unparse(node)!r}, which is not taken; use comparisons, and, or, not, in,"
            " + - * /"
        )

    def _compare(
        self, node: ast.Compare, value: Callable[[ast.expr], Any], has_part: Columns
    ) -> Any:
        left, chain = node.left, None
        for operator, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(operator, (ast.In, ast.NotIn)):
                if _dotted(right) == "parts":
                    # _collect made sure that it is a constant
                    comparison = has_part(left.value)  # type: ignore[attr-defined]
                else:
                    try:
                        choices = [
                            float(item) if isinstance(item, int) else item
                            for item in ast.literal_eval(right)
                        ]
                    except (ValueError, TypeError):
                        raise self._wrong("after 'in' wanted a list of plain values") from None
                    inside = value(left)
                    if pa.types.is_null(inside.type):
                        return _condition(inside)
                    # is_in says False of a missing value; here it is unknown, also to 'not in'
                    comparison = pc.if_else(
                        pc.is_valid(inside),
                        pc.is_in(inside, value_set=pa.array(choices, inside.type)),
                        None,
                    )
                comparison = (
                    pc.invert(comparison) if isinstance(operator, ast.NotIn) else comparison
                )
            elif type(operator) in _COMPARE:
                comparison = _COMPARE[type(operator)](value(left), value(right))
            else:
                raise self._wrong("uses 'is'; wanted ==")
            chain = comparison if chain is None else pc.and_kleene(chain, comparison)
            left = right
        return chain


def _condition(column: Any) -> Any:
    """The same; a column that has no value in any record is a condition that nobody knows."""
    return (
        pa.nulls(len(column), pa.bool_())
        if isinstance(column, pa.Array) and pa.types.is_null(column.type)
        else column
    )


def _dotted(node: ast.expr) -> str | None:
    """``image.sharpness`` of a name or an attribute of names."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = _dotted(node.value)
        return None if base is None else f"{base}.{node.attr}"
    return None
