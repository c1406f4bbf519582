"""Runs one part; `__main__` starts it as a process with the part's name, device, seconds and file."""

import sys
import time
from pathlib import Path

from benchmarks.gpu.parts import PARTS, Bench


def main() -> None:
    import torch

    name, device, seconds, path = sys.argv[1:]
    torch.set_num_threads(1)  # as in a lane
    bench = Bench(device, time.monotonic() + float(seconds), Path(path))
    next(part for part in PARTS if part.name == name).run(bench)


if __name__ == "__main__":
    main()
