"""A repository without hpt: a script that trains, and a table."""

import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.support.git import git
from tests.support.in_process import Done, hpt

SCRIPT = '''\
"""Fits a line by steps of a rate: `python train.py --data rows.csv --from 2024-01-01 …`."""

import argparse
import csv
from pathlib import Path

parser = argparse.ArgumentParser()
for name in ("--data", "--from", "--valid", "--test", "--to", "--save"):
    parser.add_argument(name, required=True, dest=name.strip("-") + "_")
parser.add_argument("--lr", type=float, default=0.01)
parser.add_argument("--shrink", type=float, default=0.5)
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--num-workers", type=int, default=2)
parser.add_argument("--centred", action="store_true")
args = parser.parse_args()

with open(args.data_, newline="") as file:
    rows = [(row["day"], float(row["size"]), float(row["value"])) for row in csv.DictReader(file)]


def error(start, end):
    part = [(x, y) for day, x, y in rows if start <= day < end]
    return sum((y - slope * x) ** 2 for x, y in part) / len(part)


slope, train = 0.0, [(x, y) for day, x, y in rows if args.from_ <= day < args.valid_]
for epoch in range(1, args.epochs + 1):
    slope += args.lr * (1 - args.shrink) * sum((y - slope * x) * x for x, y in train) / len(train)
    print(f"epoch {epoch} validation {error(args.valid_, args.test_):.5f}")
Path(args.save_).write_text(str(slope))
print(f"test {error(args.test_, args.to_):.5f}")
'''
PRINTS = ("--prints", "epoch {epoch} validation {mse_valid}", "--prints", "test {mse_test}")
OF_SCRIPT = ("--trainer", "train.py", "--data", "data/rows.csv", *PRINTS)


def write_rows(path: Path, months: int = 8, rows_a_day: int = 3) -> None:
    """Writes days from 2024 on with a number and a target that follows it."""
    lines = ["day,size,value"]
    for day in range(months * 30 + 4):
        for at in range(rows_a_day):
            size = (day * 7 + at * 3) % 11 / 5 - 1
            lines.append(f"{date(2024, 1, 1) + timedelta(days=day)},{size},{1.5 * size + (day * 5 + at) % 7 / 20}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A script and its data, committed."""
    folder = tmp_path / "team"
    folder.mkdir()
    (folder / "train.py").write_text(SCRIPT)
    write_rows(folder / "data/rows.csv")
    git(folder, "init", "-q", "-b", "trunk")
    return folder


@pytest.fixture(scope="session")
def adopted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository after `hpt init`; tests must not change it."""
    folder = tmp_path_factory.mktemp("adopted")
    (folder / "train.py").write_text(SCRIPT)
    write_rows(folder / "data/rows.csv")
    hpt("init", *OF_SCRIPT, cwd=folder)
    return folder


@pytest.fixture
def own_copy(adopted: Path, tmp_path: Path) -> Path:
    """A copy of `adopted` that a test may change."""
    return shutil.copytree(adopted, tmp_path / "copy")


@pytest.fixture
def init(repository: Path) -> Callable[..., Done]:
    """`hpt init` in the repository, with any exit code."""

    def call(*options: str) -> Done:
        return hpt("init", *options, cwd=repository, code=None)

    return call
