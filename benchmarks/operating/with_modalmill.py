"""The rates of modalmill's own operators. INPUTS [ONLY]"""

from __future__ import annotations

import cv2
from _rates import started
from own_changes import measure_changes
from own_features import measure_features
from own_signals import measure_signals


def main() -> None:
    cv2.setNumThreads(0)
    inputs, told = started()
    measure_signals(inputs, told)
    measure_changes(inputs, told)
    measure_features(inputs, told)
    told.print()


if __name__ == "__main__":
    main()
