"""How the threads of torch wait for each other, as OpenMP itself says it was told."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="the OpenMP of other systems prints otherwise")
@pytest.mark.parametrize(("said", "wanted"), [(None, True), ("ACTIVE", False)])
def test_threads_wait_without_spinning_where_nobody_says_otherwise(
    said: str | None, wanted: bool
) -> None:
    environment = {word: value for word, value in os.environ.items() if word != "OMP_WAIT_POLICY"}
    environment |= {"OMP_DISPLAY_ENV": "VERBOSE"} | ({"OMP_WAIT_POLICY": said} if said else {})
    code = "import modalmill as mm; mm.fit; import torch"
    shown = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert ("GOMP_SPINCOUNT = '0'" in shown.stderr) is wanted
