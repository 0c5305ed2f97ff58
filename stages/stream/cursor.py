"""Where a stream stands, and how it goes on from there.

epoch 0                     epoch 1
r r r r r r | r r r r r r   r r r ...
            ^ records_done = 6 of epoch 0

A stream that runs has one loop. Beginning another one, or placing the stream elsewhere, ends it:
two loops over one cursor would each leave records out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from ...schemas import checks
from ...schemas.errors import InputError
from .order.batches import GlobalBatches

STATE_VERSION = 2
# version 1 called the records that are done "samples"
_DONE_BY_VERSION = {1: "samples", STATE_VERSION: "records_done"}


class StreamState(TypedDict):
    """Where a stream stands, and of which data and order: ``records_done`` of an epoch have been
    handed out.
    """

    version: int
    seed: int
    epoch: int
    records_done: int
    data: str


class Cursor:
    """The place of a stream: an epoch, and how many of its records have been handed out.

    identity: a fingerprint of the data and their order; a place in others means nothing here.
    """

    def __init__(self, batches: GlobalBatches, seed: int, identity: str) -> None:
        self.epoch, self.records_done = 0, 0
        self._batches, self._seed, self._identity = batches, seed, identity
        # put there on purpose: the next loop begins here, and not with another epoch
        self._is_placed = True
        # by a state, from which it counts on by itself
        self.is_loaded = False
        self._loop = 0

    def begin_loop(self) -> int:
        """Begin where the stream was placed, or with the next epoch where a loop has run before,
        even if it was left early; the loop's number, for :meth:`check_loop`.
        """
        if not self._is_placed or self._batches.has_ended(self.records_done):
            self.epoch, self.records_done = self.epoch + 1, 0
        self._is_placed = False
        self._loop += 1
        return self._loop

    def check_loop(self, loop: int) -> None:
        """InputError where another loop, or another place, has taken over."""
        if loop != self._loop:
            raise InputError(
                "this loop is over: another one over the same stream, set_epoch or"
                " load_state_dict has taken its place"
            )

    def end_epoch(self) -> None:
        """Stand at the beginning of the next epoch: all of this one has been handed out."""
        self.epoch, self.records_done, self._is_placed = self.epoch + 1, 0, True

    def set_epoch(self, epoch: int) -> None:
        """Stand at the beginning of this epoch; stay where the stream has just been placed
        within it.
        """
        if (
            checks.whole("epoch", epoch, 0) != self.epoch
            or not self._is_placed
            or self._batches.has_ended(self.records_done)
        ):
            self._place(epoch, 0)

    def state(self) -> StreamState:
        """Where the stream stands."""
        return self.state_at(self.epoch, self.records_done)

    def state_at(self, epoch: int, records_done: int) -> StreamState:
        """The state of a stream that stands there; that of the next epoch where this one has no
        batch left.
        """
        if self._batches.has_ended(records_done):
            epoch, records_done = epoch + 1, 0
        return {
            "version": STATE_VERSION,
            "seed": self._seed,
            "epoch": epoch,
            "records_done": records_done,
            "data": self._identity,
        }

    def load(self, state: Mapping[str, object]) -> None:
        """Stand where the stream that gave ``state`` stood; InputError for other records, another
        order or another seed, and for what is no state.
        """
        done_name = _done_name(state)
        if state["data"] != self._identity:
            raise InputError(
                f"the state belongs to other data or another order ({state['data']}, here"
                f" {self._identity}); open the same shards with the same"
                " split, where, take, repeat, weights, balance, shuffle and buckets to go on"
            )
        if state["seed"] != self._seed:
            raise InputError(
                f"the state was saved with seed {state['seed']}, this stream has {self._seed};"
                f" open it with seed={state['seed']}"
            )
        epoch, done = (
            checks.whole(f"the state's {name}", state[name], 0) for name in ("epoch", done_name)
        )
        if done > self._batches.records:
            raise InputError(
                f"the state's {done_name}: wanted at most the {self._batches.records:,} of an"
                f" epoch, found {done:,}"
            )
        self._place(epoch, done)
        self.is_loaded = True

    def _place(self, epoch: int, records_done: int) -> None:
        self.epoch, self.records_done, self._is_placed = epoch, records_done, True
        self._loop += 1  # a loop that runs is over


class EpochSampler:
    """The sampler that Lightning looks for in a loader, to tell it which epoch begins.

    A stream that a state was loaded into counts by itself: Lightning takes an epoch that
    ``max_steps`` broke off for a whole one.
    """

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    def set_epoch(self, epoch: int) -> None:
        """Stand in this epoch; a loop within it goes on."""
        if not self._cursor.is_loaded and epoch != self._cursor.epoch:
            self._cursor.set_epoch(epoch)


def _done_name(state: object) -> str:
    """What a state calls the records that are done; InputError for what is no state."""
    version = state.get("version") if isinstance(state, Mapping) else None
    done_name = _DONE_BY_VERSION.get(version) if isinstance(version, int) else None
    if (
        not isinstance(state, Mapping)
        or done_name is None
        or not {"seed", "epoch", done_name, "data"} <= set(state)
    ):
        raise InputError(
            f"wanted a state of version {STATE_VERSION} (or 1) as state_dict() gives it, found"
            f" {str(state)[:200]}"
        )
    return done_name
