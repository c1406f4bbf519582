"""Runs the parts one after another, prints a table of each, and writes all measurements as JSON.

    python -m benchmarks.gpu [--device cuda|cpu] [--parts alone arrays …] [--seconds 480] [--json gpu.json]

On a GPU it takes at most eight minutes. `--device cpu` runs a small version of every part in a few minutes. It shows
that every part works; its figures mean nothing. Exit status: 0 if every part finished, else 1.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.gpu import flights, parts

Record = dict[str, Any]

GRACE = 10.0
"""Seconds between a part's time limit and its kill. A part checks its time only between measurements."""


def run_part(part: parts.Part, device: str, seconds: float, environment: dict[str, str]) -> tuple[list[Record], str]:
    """Runs a part as a process. Returns its records and the reason why it did not finish, or an empty string."""
    with tempfile.TemporaryDirectory(prefix="hpt-gpu-") as folder:
        path = Path(folder) / "records.jsonl"
        command = [sys.executable, "-m", "benchmarks.gpu.part", part.name, device, str(seconds), str(path)]
        # The part leads a process group, so that its child processes are killed with it.
        process = subprocess.Popen(command, env=environment, start_new_session=True)
        problem = ""
        try:
            if status := process.wait(seconds + GRACE):
                problem = f"ended with {status}"
        except subprocess.TimeoutExpired:
            problem = f"killed after {seconds + GRACE:.0f} s"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines], problem


def cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return "" if value is None else str(value)


def print_table(records: list[Record]) -> None:
    """Prints a line per record and a column per key. Records with the same keys share a table."""
    groups: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        groups.setdefault(tuple(record), []).append(record)
    for heads, rows in groups.items():
        table = [list(heads)] + [[cell(row[head]) for head in heads] for row in rows]
        widths = [max(len(line[at]) for line in table) for at in range(len(heads))]
        for line in table:
            first = line[0].ljust(widths[0])
            print("  ".join([first] + [text.rjust(width) for text, width in zip(line[1:], widths[1:], strict=True)]))


def machine(device: str) -> Record:
    import torch

    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "commit": commit.stdout.strip(),
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def main() -> int:
    import torch

    names = [part.name for part in parts.PARTS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--parts", nargs="+", choices=names, default=names, metavar="PART", help=", ".join(names))
    parser.add_argument("--seconds", type=float, help="for all parts together (480; on a CPU 1440)")
    parser.add_argument("--json", type=Path, default=Path("gpu.json"), help="where all results go (gpu.json)")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("no GPU that torch can use; --device cpu runs every part in small")

    # A CPU trains a tenth of the rows, but may also be busy with other work.
    slowdown = 3 if options.device == "cpu" else 1
    until = time.monotonic() + (options.seconds or 480 * slowdown)
    report: Record = {"machine": machine(options.device), "parts": {}}
    print(", ".join(f"{key}: {value}" for key, value in report["machine"].items()))
    with flights.environment() as environment:
        if options.device == "cpu":
            environment["CUDA_VISIBLE_DEVICES"] = ""
        for part in (part for part in parts.PARTS if part.name in options.parts):
            print(f"\n== {part.name}: {part.description}", flush=True)
            seconds = min(part.seconds * slowdown, until - time.monotonic() - GRACE)
            began = time.monotonic()
            records, problem = [], "no time left"
            if seconds > 0:
                records, problem = run_part(part, options.device, seconds, environment)
            took = time.monotonic() - began
            report["parts"][part.name] = {"seconds": round(took, 1), "problem": problem, "records": records}
            options.json.write_text(json.dumps(report, indent=1))
            print_table(records)
            print(f"({took:.0f} s{'; ' + problem if problem else ''})", flush=True)
    print(f"\nwritten: {options.json}")
    return 1 if any(part["problem"] for part in report["parts"].values()) else 0


if __name__ == "__main__":
    sys.exit(main())
