"""Series: values over time (a sensor, a meter, a log), as ``float32 [T, C]`` at one rate.

A file is a table with a column of times and columns of values (CSV, Parquet), or an array
(``.npy``: ``[T]`` or ``[T, C]``) whose rate the recipe says. It goes into the tar as ``.npz``,
which numpy and others read: ``values`` [T, C], ``rate_hz``, ``columns``. What is not there is NaN.
"""

from __future__ import annotations

import dataclasses
import io
import math
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple, TypedDict, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, ValidationError

from ...schemas import checks
from ...schemas.errors import DamageError, InputError
from ...schemas.fingerprint import canonical
from ...schemas.json_value import JsonValue
from ...schemas.quantity import Quantity, share
from ...schemas.recipe import ShardOptions, mistake_lines
from ...schemas.record import Part, Step
from ..media.files import content_hash, placed
from ..media.grid import Grid, on_grid
from ..media.npy import read_npy
from ..media.values import values_of
from ..modality import WARP_COST, Measured, ModalityOptions, OnDisk, Rendered, given_file
from ..signal import Signal, Track, found_in
from ..spec import MIDDLE, Draws, Records, Spec, TimeCrop, Transform, of_kind, seconds_of

_TIME_NAMES = ("time", "t", "time_s", "seconds", "timestamp", "datetime", "date")
_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
# beginning so late, and so many lengths of the series, times are of a clock and count from the
# first
_CLOCK_S, _CLOCK_SHARE = 3600.0, 10.0
_GAPS_NOTE = "series with gaps longer than max_gap_s, where they are absent on the grid"
_NO_SECONDS = 1e11  # since 1970: the year 5138
_FAR = 1.5  # steps from the nearest value; what lies further is not there
_BYTES = 4
_LARGEST_VALUES = 1 << 28
_LARGEST = float(np.finfo(np.float32).max)


class Reading(ModalityOptions):
    """How a source's files are read: which columns are values, which is the time and in what unit,
    and the rate they are brought to.
    """

    columns: list[str] | None = Field(
        None,
        min_length=1,
        description="columns of values; all that are numbers where it is not given",
    )
    rate_hz: float | None = Field(
        None, gt=0, description="values a second; that of the file where it is not given"
    )
    time: str | None = Field(None, description="column of times: seconds or timestamps")
    unit: Literal["s", "ms", "us", "ns"] = Field("s", description="of times that are numbers")


class SeriesOptions(ModalityOptions):
    """A series as an input."""

    seconds: float = Field(4.0, gt=0, le=86_400)
    crop: TimeCrop = "start"


class Raw(NamedTuple):
    """A file as it was read: times in seconds ``float64 [N]``, rising; values ``float64 [N, C]``,
    NaN where absent; the names of the columns; the rows a second that it is brought to, 0 where
    that is not said.
    """

    times: np.ndarray
    values: np.ndarray
    columns: tuple[str, ...]
    rate_hz: float = 0.0

    @property
    def step_s(self) -> float:
        """Seconds from one row to the next, in the middle of all; 0 for a single row."""
        return float(np.median(np.diff(self.times))) if len(self.times) > 1 else 0.0


def missing(values: np.ndarray) -> float:
    """The share of values ``[N, C]`` that are absent."""
    return float(np.isnan(values).mean())


def gaps(raw: Raw) -> float:
    """The share of steps in time more than half too long."""
    steps = np.diff(raw.times)
    return float((steps > _FAR * raw.step_s).mean()) if len(steps) else 0.0


MISSING = Signal(
    name="missing",
    of="series",
    of_file=True,
    reads="values",
    gives={"missing": share("share of values that are absent")},
    function=missing,
    on_request=False,
)
GAPS = Signal(
    name="gaps",
    of="series",
    of_file=True,
    gives={"gaps": share("share of steps in time that are more than half too long")},
    function=gaps,
    on_request=False,
)


def late_s(times: np.ndarray) -> float:
    """When the first value is, in seconds of the file."""
    return float(times[0])


def values(raw: Raw) -> dict[str, np.ndarray]:
    """The values in even steps, row by row; ``shape``: how many rows and columns they are, ``hop``:
    seconds from one row to the next.
    """
    rows = resampled(raw, raw.rate_hz)
    return {
        "values": rows.reshape(-1),
        "shape": np.array(rows.shape),
        "hop": np.array([1 / raw.rate_hz]),
    }


LATE_S = Signal(
    name="late_s",
    of="series",
    of_file=True,
    reads="times",
    gives={"late_s": Quantity("when its first value is, of the file", "s")},
    function=late_s,
    on_request=False,
)
# on request, for align.warp
VALUES = Track(name="values", of="series", function=values)


class FittedSeries(TypedDict):
    """What the training split says of a series: how it is read, the grid it is on (empty for none),
    and each column's scale.
    """

    columns: list[str]
    rate_hz: float
    time: str | None
    unit: Literal["s", "ms", "us", "ns"]
    grid: Mapping[str, object]
    mean: list[float]
    deviation: list[float]


def learned_series(fitted: Mapping[str, object]) -> FittedSeries:
    """What ``Series.fit`` gave, as it comes back from a checkpoint."""
    return cast("FittedSeries", fitted)


class Series(OnDisk):
    """Values over time. ``decoded`` gives ``float32 [T, C]``."""

    timed = True
    version = 2
    suffixes = (".csv", ".tsv", ".parquet", ".npy")
    by_ending = False
    facts = ("bytes", "duration_s", "frames", "fps", "channels")
    by_stages: ClassVar[Mapping[str, Quantity]] = {"warp_cost": WARP_COST}
    readable = ("times", "values", "columns", "step_s", "rate_hz")
    warped_by = ("values",)
    media_per_task = 64
    always_measured = True
    options = SeriesOptions
    first_encoder = "series_cnn"
    column: ClassVar[Mapping[str, JsonValue]] = {
        "struct": [
            {"name": "values", "list": {"list": "float32"}},
            {"name": "rate_hz", "dtype": "float64"},
            {"name": "columns", "list": "string"},
            {"name": "time", "dtype": "string"},
            {"name": "unit", "dtype": "string"},
            {"name": "grid", "dtype": "string"},
        ]
    }

    def steps(self, options: Mapping[str, object]) -> tuple[Step, ...]:
        try:
            reading = Reading.model_validate(options)
        except ValidationError as error:
            raise ValueError("; ".join(mistake_lines(error, Reading))) from None
        return (Step("read", reading.model_dump(exclude_defaults=True)),)

    def measured(self, root: Path, part: Part, wanted: frozenset[str]) -> Measured:
        assert part.uri is not None
        reading = _reading_of(part)
        with placed(root, part.uri) as path:
            raw, content = read_series(path, reading), content_hash(path)
        raw = raw._replace(rate_hz=_rate_of(raw, reading))
        result: Measured = {
            "hash": content,
            "frames": len(raw.times),
            "channels": raw.values.shape[1],
            "duration_s": float(raw.times[-1]) + raw.step_s,
            "found": found_in(self.name, raw, wanted),
        }
        if raw.step_s:
            result["fps"] = 1 / raw.step_s
        return result

    def sequence(self, tracks: Mapping[str, np.ndarray], by: str) -> tuple[float, np.ndarray]:
        return float(tracks["hop"][0]), tracks[by].reshape(tracks["shape"].astype(int))

    def facts_within(self, part: Part) -> Part:
        grid = Grid.of_part(part)
        if grid is None or part.end_s is None or part.duration_s is None:
            return part
        # on a grid it is as long as the others there, whatever its file is
        return dataclasses.replace(
            part,
            fps=grid.rate_hz,
            frames=grid.rows(part.start_s or 0.0, part.end_s),
            duration_s=max(part.duration_s, part.end_s),
        )

    def decoded(self, root: Path, part: Part, wanted_by: object) -> np.ndarray:
        return self._read(root, part)[0]

    def rendered(self, root: Path, part: Part, options: ShardOptions) -> Rendered:
        values, rate_hz, columns, note = self._read(root, part)
        data = encode_npz(values, rate_hz, columns, _reading_of(part), Grid.of_part(part))
        return Rendered("npz", data, note)

    def estimated_bytes(self, part: Part, options: ShardOptions) -> int:
        grid = Grid.of_part(part)
        rate_hz = grid.rate_hz if grid else _reading_of(part).rate_hz or part.fps
        seconds = part.seconds()
        if not seconds or not rate_hz:
            return part.bytes or 0
        return round(seconds * rate_hz) * (part.channels or 1) * _BYTES

    def spec(self) -> SeriesSpec:
        return SeriesSpec()

    def input_spec(
        self, options: SeriesOptions, fitted: Mapping[str, object], training: bool
    ) -> SeriesSpec:
        if not fitted:
            return SeriesSpec()
        learned = learned_series(fitted)
        return SeriesSpec(
            columns=learned["columns"],
            rate_hz=learned["rate_hz"],
            mean=learned["mean"],
            deviation=learned["deviation"],
            seconds=options.seconds,
            crop=options.crop if training else "start",
        )

    def fit(self, options: SeriesOptions, values: Iterable[bytes | None]) -> FittedSeries:
        """Columns and rate, and mean and deviation of each column."""
        columns: tuple[str, ...] | None = None
        rate_hz, reading, grid = 0.0, Reading(), None
        # of each column, once the first is known
        count, total, squares = np.zeros(1), np.zeros(1), np.zeros(1)
        for data in values:
            if data is None:
                continue
            rows, rate, names = decode_npz(data)
            if columns is None:
                columns, rate_hz = names, rate
                reading, grid = reading_in(data), grid_in(data)
            if names != columns:
                raise InputError(
                    f"series of one part have other columns: {', '.join(columns)} and"
                    f" {', '.join(names)}; name them in the source"
                )
            count = count + np.isfinite(rows).sum(0)
            total = total + np.nansum(rows, 0, dtype=np.float64)
            squares = squares + np.nansum(np.square(rows, dtype=np.float64), 0)
        if columns is None:
            raise InputError("no record of the training split has this series")
        mean = total / np.maximum(count, 1)
        deviation = np.sqrt(np.maximum(0.0, squares / np.maximum(count, 1) - mean**2))
        return {
            "columns": list(columns),
            "rate_hz": rate_hz,
            "time": reading.time,
            "unit": reading.unit,
            "grid": grid.options() if grid else {},
            "mean": mean.tolist(),
            "deviation": np.where(deviation > 0, deviation, 1.0).tolist(),
        }

    def longest(self, options: SeriesOptions) -> float:
        return options.seconds

    def given(self, value: str, fitted: Mapping[str, object]) -> bytes:
        learned = learned_series(fitted)
        rate_hz = learned["rate_hz"]
        reading = Reading(
            columns=learned["columns"], rate_hz=rate_hz, time=learned["time"], unit=learned["unit"]
        )
        raw = read_series(given_file(value), reading)
        grid = Grid.model_validate(learned["grid"]) if learned.get("grid") else None
        values = gridded(raw, grid)[0] if grid else resampled(raw, rate_hz)
        return encode_npz(values, rate_hz, raw.columns, reading, grid)

    def _read(self, root: Path, part: Part) -> tuple[np.ndarray, float, tuple[str, ...], str]:
        """Values, rate and columns of a part, cut and at its rate, and what a person should know
        of it.
        """
        reading, grid = _reading_of(part), Grid.of_part(part)
        if part.uri is not None:
            with placed(root, part.uri) as path:
                raw = read_series(path, reading)
        else:
            assert grid is not None
            rows, columns = values_of(part)
            raw = Raw(np.arange(len(rows)) / grid.rate_hz, rows.astype(np.float64), columns)
        if grid is not None:
            values, has_gap = gridded(raw, grid, part.start_s or 0.0, part.end_s)
            # labels and tracks, which are in no file, have no values that were lost
            note = _GAPS_NOTE if has_gap and part.uri is not None else ""
            return values, grid.rate_hz, raw.columns, note
        rate_hz = _rate_of(raw, reading)
        return resampled(raw, rate_hz, part.start_s or 0.0, part.end_s), rate_hz, raw.columns, ""


def _reading_of(part: Part) -> Reading:
    return Reading.model_validate(
        next((dict(step.options) for step in part.steps if step.op == "read"), {})
    )


def _rate_of(raw: Raw, reading: Reading) -> float:
    """Rows a second that a file is brought to: its own where its source does not say."""
    return reading.rate_hz or (1 / raw.step_s if raw.step_s else 1.0)


def read_series(path: Path, reading: Reading) -> Raw:
    """A file's values by their times; DamageError where it has no times, no values, or is
    broken.
    """
    if path.suffix.lower() == ".npy":
        return _read_array(path, reading)
    if path.suffix.lower() == ".npz":  # of a shard
        values, rate_hz, names = decode_npz(path.read_bytes())
        return Raw(np.arange(len(values)) / rate_hz, values.astype(np.float64), names)
    table = _read_table(path)
    twice = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if twice:
        raise DamageError("series_damaged", f"several columns are called {', '.join(twice)}")
    lower = {name.strip().lower(): name for name in table.column_names}
    time = reading.time or next((lower[word] for word in _TIME_NAMES if word in lower), None)
    listed = ", ".join(table.column_names[:20])
    if time is not None and time not in table.column_names:
        raise DamageError("series_no_time", f"no column is called {time!r}; the file has {listed}")
    columns = reading.columns
    if columns is None:
        columns = [
            name
            for name, kind in zip(table.column_names, table.schema.types, strict=True)
            if name != time and _is_number(kind)
        ]
    lost = [name for name in columns if name not in table.column_names]
    if lost or not columns:
        raise DamageError(
            "series_no_columns",
            f"no column of values is called {', '.join(lost) or 'anything'}; the file has {listed}",
        )
    values = np.stack([_numbers(table[name], name) for name in columns], 1)
    if time is None:
        if reading.rate_hz is None:
            raise DamageError(
                "series_no_time",
                f"no column of times among {listed}; name it with time, or say rate_hz",
            )
        return Raw(np.arange(len(values)) / reading.rate_hz, values, tuple(columns))
    times = _seconds(table[time], time, reading.unit)
    return _sorted(times, values, tuple(columns), from_first=not _is_number(table[time].type))


def _read_table(path: Path) -> pa.Table:
    import pyarrow.csv
    import pyarrow.parquet

    try:
        if path.suffix.lower() == ".parquet":
            table = pyarrow.parquet.read_table(path)
        else:
            with open(path, "rb") as file:
                head = file.readline(1 << 16).decode("utf-8-sig")
            delimiter = max(",;\t", key=head.count)
            nulls = [
                "",
                "NaN",
                "nan",
                "-nan",
                "NA",
                "N/A",
                "#N/A",
                "null",
                "NULL",
                "None",
                "-",
                "?",
                ".",
            ]
            convert = pyarrow.csv.ConvertOptions(null_values=nulls, strings_can_be_null=True)
            table = pyarrow.csv.read_csv(
                path,
                parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter),
                convert_options=convert,
            )
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DamageError(
            "series_damaged", f"cannot be read as a table: {' '.join(str(error).split())[:160]}"
        ) from None
    if not table.num_rows:
        raise DamageError("series_empty", "the table has no row")
    if table.num_rows * table.num_columns > _LARGEST_VALUES:
        raise DamageError(
            "series_too_large",
            f"{table.num_rows:,} rows of {table.num_columns} columns; at most {_LARGEST_VALUES:,}"
            " values are read",
        )
    return table


def _read_array(path: Path, reading: Reading) -> Raw:
    array = read_npy(path, "series_damaged")
    is_number = array.dtype.kind in "fiu" and array.size <= _LARGEST_VALUES
    if not is_number or array.ndim not in (1, 2) or not array.size:
        raise DamageError(
            "series_damaged",
            f"wanted numbers [T] or [T, C], at most {_LARGEST_VALUES:,}, found"
            f" {array.dtype} {list(array.shape)}",
        )
    values = np.asarray(array, np.float64).reshape(len(array), -1)
    if reading.rate_hz is None:
        raise DamageError("series_no_time", "an array has no times; say rate_hz")
    columns = tuple(reading.columns or [str(number) for number in range(values.shape[1])])
    if len(columns) != values.shape[1]:
        raise DamageError(
            "series_no_columns",
            f"the array has {values.shape[1]} columns, the source names {len(columns)}",
        )
    return Raw(
        np.arange(len(values)) / reading.rate_hz,
        np.where(np.isfinite(values), values, np.nan),
        columns,
    )


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def _numbers(column: pa.ChunkedArray, name: str) -> np.ndarray:
    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan)
    if not _is_number(column.type):
        raise DamageError(
            "series_no_numbers", f"the column {name!r} holds {column.type}, wanted numbers"
        )
    numbers: np.ndarray = pc.fill_null(column.cast(pa.float64(), safe=False), np.nan).to_numpy()
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _seconds(column: pa.ChunkedArray, name: str, unit: str) -> np.ndarray:
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        microseconds = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        return np.asarray(
            pc.fill_null(microseconds.cast(pa.float64(), safe=False), np.nan).to_numpy() * 1e-6
        )
    if not _is_number(column.type):
        raise DamageError(
            "series_no_time",
            f"the column {name!r} holds {column.type}, wanted seconds or timestamps",
        )
    seconds: np.ndarray = (
        pc.fill_null(column.cast(pa.float64(), safe=False), np.nan).to_numpy() * _UNITS[unit]
    )
    last = float(np.max(seconds, initial=0.0, where=np.isfinite(seconds)))
    if unit == "s" and last >= _NO_SECONDS:
        fitting = next(word for word, size in _UNITS.items() if last * size < _NO_SECONDS)
        raise DamageError(
            "series_no_time",
            f"the column {name!r} holds {last:.4g}, which as seconds since 1970 is no date; say in"
            f" which unit it is (unit: {fitting})",
        )
    return seconds


def _sorted(
    times: np.ndarray, values: np.ndarray, columns: tuple[str, ...], from_first: bool
) -> Raw:
    """Rows by their times; those without a time cannot be placed, of those of one time the last
    counts.

    Timestamps count from the first, and so do numbers that begin below 0 or are of a clock; others
    are on the time of the medium beside them.
    """
    placed = np.flatnonzero(np.isfinite(times))
    if not len(placed):
        raise DamageError("series_no_time", "no row has a time")
    order = placed[np.argsort(times[placed], kind="stable")]
    times, values = times[order], values[order]
    last = np.append(np.diff(times) > 0, True)
    times, values = times[last], values[last]
    is_clock = times[0] > _CLOCK_S and times[0] > _CLOCK_SHARE * (times[-1] - times[0])
    return Raw(
        times - times[0] if from_first or is_clock or times[0] < 0 else times, values, columns
    )


def resampled(
    raw: Raw, rate_hz: float, start_s: float = 0.0, end_s: float | None = None
) -> np.ndarray:
    """The values at start, start + 1 / rate, ... before the end ``float32 [T, C]``.

    A value lies on the line between those of the file; where the file has more than are wanted, it
    is the mean of that line over a step. NaN further than a step and a half from any value.
    """
    step = 1 / rate_hz
    end = (
        raw.times[-1] + (raw.step_s or step)
        if end_s is None
        else min(end_s, raw.times[-1] + (raw.step_s or step))
    )
    count = _checked_count(raw, start_s, end, rate_hz)
    grid = start_s + np.arange(count) / rate_hz
    out = np.full((count, raw.values.shape[1]), np.nan)
    is_denser = raw.step_s and raw.step_s * _FAR < step
    for column in range(out.shape[1]):
        here = np.isfinite(raw.values[:, column])
        times, values = raw.times[here], raw.values[here, column]
        if not len(times):
            continue
        out[:, column] = (
            _means(times, values, grid, step) if is_denser else np.interp(grid, times, values)
        )
        after = np.clip(np.searchsorted(times, grid), 0, len(times) - 1)
        nearest = np.minimum(
            np.abs(times[after] - grid), np.abs(times[np.maximum(after - 1, 0)] - grid)
        )
        out[nearest > _FAR * max(step, raw.step_s), column] = np.nan
    return np.where(np.abs(out) <= _LARGEST, out, np.nan).astype(np.float32)


def _checked_count(raw: Raw, start_s: float, end_s: float, rate_hz: float) -> int:
    """How many rows lie in [start, end); DamageError where there is none, or too much."""
    count = math.floor((end_s - start_s) * rate_hz + 1e-6)
    if count < 1:
        raise DamageError(
            "span_empty", f"no value between {start_s:g} and {end_s:g} s at {rate_hz:g} Hz"
        )
    if count * raw.values.shape[1] > _LARGEST_VALUES:
        raise DamageError(
            "series_too_large",
            f"{count:,} values of {raw.values.shape[1]} columns; at most {_LARGEST_VALUES:,} are"
            " written",
        )
    return count


def gridded(
    raw: Raw, grid: Grid, start_s: float = 0.0, end_s: float | None = None
) -> tuple[np.ndarray, bool]:
    """The values on a grid that begins at ``start_s``, up to the end ``float32 [T, C]``, and
    whether some of it lies in a gap. What the series does not have there is NaN.
    """
    unknown = sorted({*grid.hold, *grid.nearest}.difference(raw.columns))
    if unknown:
        raise DamageError(
            "series_no_columns",
            f"align.grid: no column is called {', '.join(unknown)}; the series has"
            f" {', '.join(raw.columns)}",
        )
    end = raw.times[-1] + (raw.step_s or 1 / grid.rate_hz) if end_s is None else end_s
    moments = start_s + np.arange(_checked_count(raw, start_s, end, grid.rate_hz)) / grid.rate_hz
    columns = [
        on_grid(raw.times, values, moments, raw.step_s, grid.max_gap_s, grid.kind(name))
        for name, values in zip(raw.columns, raw.values.T, strict=True)
    ]
    out = np.stack([values for values, _ in columns], 1)
    has_gap = any(has_gap for _, has_gap in columns)
    return np.where(np.abs(out) <= _LARGEST, out, np.nan).astype(np.float32), has_gap


def _means(times: np.ndarray, values: np.ndarray, grid: np.ndarray, step: float) -> np.ndarray:
    """The mean, over half a step to both sides of each place, of the line from value to value; at
    the ends, of what there is of it.
    """
    low, high = (
        np.clip(grid - step / 2, times[0], times[-1]),
        np.clip(grid + step / 2, times[0], times[-1]),
    )
    wide = high > low
    means = (_integral(times, values, high) - _integral(times, values, low)) / np.where(
        wide, high - low, 1.0
    )
    return np.asarray(np.where(wide, means, np.interp(grid, times, values)))


def _integral(times: np.ndarray, values: np.ndarray, until: np.ndarray) -> np.ndarray:
    """The integral of the line from value to value, from the first time until each of these."""
    sums = np.concatenate([[0.0], np.cumsum(np.diff(times) * (values[1:] + values[:-1]) / 2)])
    before = np.clip(np.searchsorted(times, until, side="right") - 1, 0, len(times) - 1)
    rest = (until - times[before]) * (values[before] + np.interp(until, times, values)) / 2
    return np.asarray(sums[before] + rest)


def encode_npz(
    values: np.ndarray,
    rate_hz: float,
    columns: Sequence[str],
    reading: Reading | None = None,
    grid: Grid | None = None,
) -> bytes:
    """A series as the bytes of an ``.npz``, the same ones for the same series; with how its file
    told time and the grid it was brought onto, so that other files are read like it.
    """
    buffer = io.BytesIO()
    reading = reading or Reading()
    arrays: dict[str, np.ndarray] = {
        "values": values.astype(np.float32),
        "rate_hz": np.array(rate_hz, np.float64),
        "columns": np.array(list(columns), np.str_),
        "time": np.array(reading.time or "", np.str_),
        "unit": np.array(reading.unit, np.str_),
        "grid": np.array(canonical(grid.options()) if grid else "", np.str_),
    }
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            inner = io.BytesIO()
            np.save(inner, array, allow_pickle=False)
            # of a fixed date, unlike a name alone
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), inner.getvalue())
    return buffer.getvalue()


def reading_in(data: bytes) -> Reading:
    """How the file of a stored series told its times."""
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return (
            Reading(time=str(archive["time"]) or None, unit=str(archive["unit"]))
            if "time" in archive
            else Reading()
        )


def grid_in(data: bytes) -> Grid | None:
    """The grid that a stored series was brought onto; None where it was on none."""
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        text = str(archive["grid"]) if "grid" in archive else ""
    return Grid.model_validate_json(text) if text else None


def decode_npz(data: bytes) -> tuple[np.ndarray, float, tuple[str, ...]]:
    """Values ``float32 [T, C]``, rate and columns of an ``.npz``; DamageError where it is none of
    ours.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            values, rate_hz, columns = (
                archive["values"],
                float(archive["rate_hz"]),
                tuple(archive["columns"].tolist()),
            )
        if (
            values.ndim != 2
            or values.dtype != np.float32
            or values.shape[1] != len(columns)
            or not 0 < rate_hz < math.inf
        ):
            raise ValueError(
                f"values {values.dtype} {list(values.shape)} of {len(columns)} columns at"
                f" {rate_hz} Hz"
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DamageError(
            "series_damaged",
            f"the stored series cannot be read: {' '.join(str(error).split())[:160]}",
        ) from None
    return values, rate_hz, columns


@dataclass(frozen=True, kw_only=True)
class SeriesSpec(Spec):
    """Values over time as ``float32 [rate_hz * seconds, C]``, filled with NaN at the end;
    ``lengths`` tell how many of T are real.

    columns, rate_hz: of the series; with no columns the batch carries each as it is ``[T, C]``, in
    ``lists``. A series of another rate is brought to it. mean, deviation: of each column; values
    are given as they are where left out. crop: which stretch of a longer one: ``start`` or
    ``random``.
    """

    columns: Sequence[str] = ()
    rate_hz: float = 1.0
    seconds: float = 4.0
    crop: TimeCrop = "start"
    mean: Sequence[float] = ()
    deviation: Sequence[float] = ()
    transform: Transform | None = None

    modality = "series"
    has_lengths = True
    makes_copies = True

    def __post_init__(self) -> None:
        rate_hz = checks.above_zero("SeriesSpec: rate_hz", self.rate_hz)
        values = checks.above_zero("SeriesSpec: seconds", self.seconds) * rate_hz
        if values < 1:
            raise InputError(f"SeriesSpec: {self.seconds} s hold no value at {rate_hz} Hz")
        if values * max(1, len(self.columns)) > _LARGEST_VALUES:
            raise InputError(
                f"SeriesSpec: {self.seconds} s at {rate_hz} Hz are"
                f" {values * max(1, len(self.columns)):,.0f} values a row; take fewer"
            )
        checks.choice("SeriesSpec: crop", self.crop, TimeCrop)
        checks.function("SeriesSpec: transform", self.transform)
        for name, numbers in (("mean", self.mean), ("deviation", self.deviation)):
            if len(numbers) not in (0, len(self.columns)):
                raise InputError(
                    f"SeriesSpec: {name}: wanted {len(self.columns)} numbers, one for each"
                    f" column, found {len(numbers)}"
                )

    @property
    def makes_tensors(self) -> bool:
        return bool(self.columns)

    def layout(self) -> tuple[tuple[int, ...], str]:
        return (round(self.rate_hz * self.seconds), len(self.columns)), "float32"

    def fill(self, data: bytes, out: np.ndarray, draws: Draws = MIDDLE) -> int:
        """Write the values into ``out``; how many of T are real."""
        values = self._read(data, draws)
        if self.crop == "random" and len(values) > len(out):
            values = values[int(draws.uniform[0] * (len(values) - len(out) + 1)) :]
        if self.mean and self.deviation:
            values = (values - np.array(self.mean)) / np.array(self.deviation)
        length = min(len(values), len(out))
        out[:length] = values[:length]
        out[length:] = np.nan
        return length

    def value(self, data: bytes, draws: Draws = MIDDLE) -> np.ndarray:
        """The values as they are stored."""
        values, rate_hz, _ = decode_npz(data)
        values = _span_of_copy(values, rate_hz, draws.copy)
        return (
            values
            if self.transform is None
            else of_kind(self.transform(values, draws.generator()), "float", (None, None))
        )

    def lengths(self, records: Records, part: str) -> np.ndarray:
        """Seconds of every record's series."""
        return seconds_of(records, part)

    def cut_to(self, length: float) -> SeriesSpec:
        return dataclasses.replace(self, seconds=float(length))

    def _read(self, data: bytes, draws: Draws) -> np.ndarray:
        values, rate_hz, columns = decode_npz(data)
        lost = [name for name in self.columns if name not in columns]
        if lost:
            raise DamageError(
                "series_no_columns",
                f"no column {', '.join(lost)} in the stored series; it has {', '.join(columns)}",
            )
        values = values[:, [columns.index(name) for name in self.columns]]
        values = _span_of_copy(values, rate_hz, draws.copy)
        if abs(rate_hz - self.rate_hz) > 1e-9 * rate_hz:
            values = resampled(
                Raw(np.arange(len(values)) / rate_hz, values.astype(np.float64), columns),
                self.rate_hz,
            )
        return (
            values
            if self.transform is None
            else of_kind(
                self.transform(values, draws.generator()), "float", (None, len(self.columns))
            )
        )


def _span_of_copy(values: np.ndarray, rate_hz: float, copy: Part | None) -> np.ndarray:
    """The rows of a stored series in the span that a copy is cut to; all of them for none."""
    if copy is None:
        return values
    end = len(values) if copy.end_s is None else round(copy.end_s * rate_hz)
    return values[round((copy.start_s or 0.0) * rate_hz) : end]
