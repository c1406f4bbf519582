"""A team's repository: a trainer in a package `pipeline`, another package that it needs, rows and a spec."""

import base64
import hashlib
import json
import zipfile
from pathlib import Path
from shutil import copy

TRAIN = """
import csv
from pathlib import Path

from extra import CURVE  # of requirements.txt
from pipeline.parts import loss


def train(hyperparameters, run):
    with open(run.data["path"], newline="") as file:
        rows = [row for row in csv.DictReader(file) if run.train.start <= run.train.start.fromisoformat(row["day"])]
    assert rows
    for epoch, rest in enumerate(CURVE, start=1):
        mse = loss(hyperparameters["learning_rate"]) + rest
        run.report(epoch, mse_valid=mse, mse_test=mse)
    (run.folder / "model.txt").write_text("a model")
    return {"model": "model.txt"}
"""
PARTS = """
def loss(rate):
    return (rate - 0.1) ** 2
"""
SPEC = {
    "trainer": "pipeline.train:train",
    "data": {"path": "rows.csv", "date": "day", "numeric": ["x"], "target": "y"},
    "hyperparameters": {"learning_rate": {"default": 0.3}},
    "parameters": {"learning_rate": [0.1, 0.2]},
    "date-range": [["2024-01-01", "2024-03-01"]],
    "confirm": {"ranges": 0},
}


def repository(folder: Path, wheel: Path) -> Path:
    """Writes the files of the repository. Its `hpt.toml` pins the wheel."""
    files = {
        "pipeline/__init__.py": "",
        "pipeline/train.py": TRAIN,
        "pipeline/parts.py": PARTS,
        "specs/first.json": json.dumps(SPEC),
        "rows.csv": "day,x,y\n" + "".join(f"2024-0{1 + day // 28}-{1 + day % 28:02},{day},1\n" for day in range(56)),
        "hpt.toml": f'hpt = "vendor/{wheel.name}"\n',
        "requirements.txt": f"./vendor/{package('extra', 'CURVE = [0.5, 0.25]', folder / 'vendor')}\n",
        ".gitignore": ".hpt/\nhpt-store/\n",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    copy(wheel, folder / "vendor")
    return folder


def package(name: str, source: str, folder: Path) -> str:
    """Writes a wheel with a single module into a folder, and returns its file name."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {path: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()) for path, text in files.items()}
    record = "".join(f"{path},sha256={digest.decode().rstrip('=')},\n" for path, digest in digests.items())
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        for path, text in (files | {f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}).items():
            archive.writestr(path, text)
    return f"{name}-1.0-py3-none-any.whl"
