"""The command line: in this process, to save the imports of a new one, or in one of its own."""

from __future__ import annotations

import contextlib
import io
import signal
import subprocess
import sys
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from modalmill import cli

_TAKEN = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)  # main() answers them


def here(*words: object, cwd: Path | None = None) -> CompletedProcess[str]:
    """What ``main()`` does with these words in this process: exit code and all that it printed.

    A fault in the program is no mistake of a user: its code, 70, fails the test that asked.
    """
    out, errors = io.StringIO(), io.StringIO()
    line = ["modalmill", *map(str, words)]
    before = {number: signal.getsignal(number) for number in _TAKEN}
    try:
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.chdir(cwd or Path.cwd()),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(errors),
        ):
            patch.setattr(sys, "argv", line)
            patch.delenv("MODALMILL_DEBUG", raising=False)
            try:
                cli.main()
            except SystemExit as end:
                code = int(end.code or 0)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    done = CompletedProcess(line, code, out.getvalue(), errors.getvalue())
    assert code != 70, done.stderr
    return done


def alone(*words: object, cwd: Path | None = None) -> CompletedProcess[str]:
    """The same in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "modalmill", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done
