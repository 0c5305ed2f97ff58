"""Short trainings on shards of pictures and notes, and the weights that they end with."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import torch
from modalmill.stages.train.loop.loop import train
from modalmill.stages.train.model import checkpoint
from modalmill.stages.train.options import TrainOptions
from tiny import write

OPTIONS: dict[str, Any] = {
    "target": "answer",
    "inputs": {"image": {"size": 16}, "note": {"length": 3}},
    "fusion": "concat",
    "width": 16,
    "hidden": 16,
    "epochs": 3,
    "batch_size": 16,
    "learning_rate": 0.01,
    "dropout": 0.2,
    "device": "cpu",
    "threads": 0,
    "checks": False,
}


def weights(out: Path, name: str = "last.pt") -> dict[str, torch.Tensor]:
    return dict(checkpoint.read(out / name).model)


def trained(shards: Path, out: Path, **more: Any) -> tuple[dict[str, torch.Tensor], list[str]]:
    said: list[str] = []
    torch.manual_seed(0)
    train(TrainOptions(**{**OPTIONS, **more}), shards, out, 3, said.append)
    return weights(out), said


SCRIPT = textwrap.dedent(
    """
    import json, os, signal, sys
    from contextlib import contextmanager
    from pathlib import Path
    import matplotlib.pyplot, torch, torch.utils.tensorboard  # late, in each of them, otherwise
    from modalmill.stages.train.loop import loop
    from modalmill.stages.train.options import TrainOptions

    torch.set_num_threads(int(sys.argv[1]))

    def work(shards, out, options, kill_at, noting):
        steps = 0

        @contextmanager
        def watch(name, unit):
            def advance(done, total):
                nonlocal steps
                steps += 1
                if steps == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
            yield advance

        if noting:
            inner = loop._on_device
            def note(run, raw):
                with open(out / f"keys{os.environ['RANK']}.jsonl", "a") as file:
                    keys = [key for key in raw.keys if key]
                    file.write(json.dumps([run.epoch, run.steps, keys]) + "\\n")
                return inner(run, raw)
            out.mkdir(parents=True, exist_ok=True)
            loop._on_device = note
        loop.train(TrainOptions(**options), shards, out, 3, lambda line: None, watch)

    for line in sys.stdin:
        shards, out, options, kill_at, ranks, port = json.loads(line)
        children = []
        for rank in range(max(1, ranks)):
            children.append(os.fork())
            if children[-1]:
                continue
            if ranks:
                there = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": ranks}
                there |= {"LOCAL_WORLD_SIZE": ranks, "RANK": rank, "LOCAL_RANK": rank}
                os.environ.update({name: str(value) for name, value in there.items()})
            work(Path(shards), Path(out), options, kill_at, ranks > 0)
            os._exit(0)
        ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        print(json.dumps(ends), flush=True)
    """
)


class Trainers:
    """Processes that train, each forked from one that has imported everything and done nothing:
    torch's imports cost more than a training of these.
    """

    def __init__(self, folder: Path) -> None:
        script = write(folder / "script.py", SCRIPT)
        self._errors = folder / "errors.txt"
        with self._errors.open("w") as errors:
            self._parent = subprocess.Popen(
                [sys.executable, str(script), str(torch.get_num_threads())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def train(
        self, shards: Path, out: Path, kill_at: int = 0, ranks: int = 0, **more: Any
    ) -> list[int]:
        """The exit status of each process; with ranks they train together, as torchrun's do."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        asked = [str(shards), str(out), {**OPTIONS, **more}, kill_at, ranks, port]
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        print(json.dumps(asked), file=self._parent.stdin, flush=True)
        ends: list[int] = json.loads(self._parent.stdout.readline())
        # whoever is left alone when another is killed ends with an error
        fine = -signal.SIGKILL in ends or set(ends) == {0} if kill_at else set(ends) == {0}
        assert fine, self._errors.read_text()[-3000:]
        return ends

    def close(self) -> None:
        self._parent.communicate()
