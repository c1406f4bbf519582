"""The model among the files of an own training: named or not, one file or several, packed or not."""

import shutil
import sys
from pathlib import Path

import pytest

from pipeline.training import saved
from pipeline.training.job import TrainingResult
from tests.training.own.conftest import FINE


def in_folder(script: str) -> str:
    """A script in HPT_FOLDER whose variable NAME, text or a list, is the model's name."""
    code = "import json, os; n = os.getenv('NAME'); print(json.dumps({'model': eval(n) if n and n[0] == '[' else n}))"
    return f"""cd "$HPT_FOLDER"; {script}; export NAME; cd /; {sys.executable} -c "{code}" >> "$HPT_METRICS" """


def unpacked(result: TrainingResult, to: Path) -> dict[str, str]:
    """Files of a packed model, `{path: text}`; the text of a link is `-> target`."""
    assert result.model is not None
    to.mkdir()
    pack = to / result.model
    shutil.copy(result.files[result.model], pack)
    assert saved.unpack(pack, to) is not None
    return {
        str(path.relative_to(to)): f"-> {path.readlink()}" if path.is_symlink() else path.read_text()
        for path in sorted(to.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def test_a_named_model_is_kept(bench):
    result = bench.shell(FINE + """echo x > "$HPT_FOLDER/m.bin"; echo '{"model": "m.bin"}' >> "$HPT_METRICS" """)
    assert (result.model, result.files) == ("m.bin", {"m.bin": bench.folder / "m.bin"})


def test_a_missing_model_is_noted_and_fails_no_training(bench):
    result = bench.shell(FINE + """echo '{"model": "m.bin"}' >> "$HPT_METRICS" """)
    assert (result.status, result.model) == ("complete", None)
    assert "the model that it names, 'm.bin', is no file or folder that can be read" in bench.log


def test_a_model_whose_name_is_no_key_of_a_store_is_packed(bench, tmp_path):
    result = bench.shell(FINE + """touch "$HPT_FOLDER/$(printf 'a\\nb')" """)
    assert (result.status, result.model) == ("complete", "model.tar")
    assert unpacked(result, tmp_path / "to") == {"a\nb": ""}


def test_a_model_called_like_a_file_of_ours_gets_another_name(bench):
    result = bench.shell(FINE + """echo x > "$HPT_FOLDER/log.txt"; echo '{"model": "log.txt"}' >> "$HPT_METRICS" """)
    assert result.model == "model-log.txt"


@pytest.mark.parametrize(
    ("script", "model", "files"),
    [
        ("mkdir best; echo w > best/w.bin; echo c > best/c.json; NAME=best", "best.tar", {"best/w.bin", "best/c.json"}),
        ("mkdir best; echo w > best/w.bin; echo x > other; NAME=best", "best.tar", {"best/w.bin"}),
        ("mkdir -p best/deep; echo w > best/deep/w; NAME=$PWD/best", "best.tar", {"best/deep/w"}),
        ("mkdir best; echo w > best/w; NAME=best/", "best.tar", {"best/w"}),
        ("mkdir ckpt-3; echo w > ckpt-3/w; ln -s ckpt-3 latest; NAME=latest", "latest.tar", {"latest/w"}),
        ("mkdir best; echo w > best/w; ln -s w best/v; NAME=best", "best.tar", {"best/w", "best/v -> w"}),
        ("mkdir best; echo w > out; ln -s ../out best/w; ln -s $PWD best/up; ln -s no best/gone; NAME=best",
         "best.tar", {"best/w", "best/up/out"}),
        ("mkdir best; echo w > best/w; mkfifo best/pipe; NAME=best", "best.tar", {"best/w"}),
        ("echo w > w; echo c > c", "model.tar", {"w", "c"}),
        ("mkdir x; echo w > w; echo c > x/c; NAME=.", "model.tar", {"w", "x/c"}),
        ("mkdir x; echo w > w; echo c > x/c; NAME=no.bin", "model.tar", {"w", "x/c"}),
        ("echo w > model.tar; echo c > c", "model.tar", {"model.tar", "c"}),
        ("echo w > w; ln -s w latest", "model.tar", {"w", "latest -> w"}),
        ("echo w > w; echo c > c; echo d > d; NAME='[\"w\", \"c\"]'", "model.tar", {"w", "c"}),
    ],
)  # fmt: skip
def test_a_model_of_several_files_is_packed_with_its_folders_and_links(bench, tmp_path, script, model, files):
    result = bench.shell(FINE + in_folder(script))
    assert (result.status, result.model) == ("complete", model), bench.log
    contents = unpacked(result, tmp_path / "to")
    assert {f"{name} {text}" if text.startswith("->") else name for name, text in contents.items()} == files


@pytest.mark.parametrize(
    "script",
    [
        *("true", "mkdir x", "mkfifo pipe", "ln -s nowhere x", "NAME=/", "NAME=..", "NAME=$PWD/..", 'rmdir "$PWD"'),
        "mkdir x; NAME=x",
    ],
)
def test_files_that_cannot_be_kept_fail_no_training(bench, script):
    result = bench.shell(FINE + in_folder(script))
    assert (result.status, result.model, result.files) == ("complete", None, {})


@pytest.mark.parametrize("name", ["a.bin", "x/y/m.bin", "my model é.bin", "$PWD/a.bin", "./a.bin"])
def test_a_model_of_one_file_is_kept_as_that_file(bench, name):
    result = bench.shell(FINE + in_folder(f'NAME="{name}"; mkdir -p x/y; echo w > "$NAME"; echo other > z'))
    assert (result.status, result.model) == ("complete", name.rpartition("/")[2])
    assert result.files[result.model].read_text() == "w\n"
