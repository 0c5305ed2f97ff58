"""Time to the first batch of a set of more than ten million records: from the beginning, and after
resuming at record 10,000,000.

The set is simulated: the same shards are listed so often that the index has that many records.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

from modalmill.stages import stream
from with_modalmill import IMAGE

PLACE = 10_000_000


def main() -> None:
    shards = Path(sys.argv[1]) / "images" / "out" / "shards"
    count = stream.open(shards, parts={"image": IMAGE}).records
    one = stream.open([shards] * (PLACE * 11 // 10 // count + 1), parts={"image": IMAGE})
    times: dict[int, list[float]] = {0: [], PLACE: []}
    for epoch in range(21):
        for place, found in times.items():
            one.load_state_dict({**one.state_dict(), "epoch": epoch, "records_done": place})
            began = time.perf_counter()
            batches = iter(one)
            next(batches)
            found.append(time.perf_counter() - began)
            del batches
    fresh, resumed = (statistics.median(times[place][1:]) for place in times)
    print(
        json.dumps({"fresh_ms": fresh * 1e3, "resumed_ms": resumed * 1e3, "records": one.records})
    )


if __name__ == "__main__":
    main()
