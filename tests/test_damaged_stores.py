"""Stores with cut, edited or deleted files: every verb prints a line about it, and no other row is lost."""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.in_process import hpt
from tests.test_old_stores import CALIBRATION, FINISHED, INTERRUPTED, ONE_FAILED, WRITTEN, copy_to, rows_of

LOOKING = (
    ["list"],
    ["results", "SWEEP"],
    ["results", "SWEEP", "--csv"],
    ["fetch", "SWEEP", "--model", "best", "--to", "model"],
    ["export", "SWEEP", "--best", "--to", "best"],
    ["history"],
    ["jenkins-plan", "SWEEP", "packs.tsv"],
)
SPOILT = (b"\0", b'"', b"\xff\xfe", b"\n", b",", b"NaN", b"1e999", b"-1", b"null", b"[]", b"x" * 400)


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes | None:
    """The content of a damaged file; None if it is deleted."""
    at = draw(st.integers(0, len(content)))
    kind = draw(st.sampled_from(["deleted", "cut", "flipped", "spoilt", "line lost", "line twice"]))
    lines = content.splitlines(keepends=True)
    line = draw(st.integers(0, max(0, len(lines) - 1)))
    match kind:
        case "deleted":
            return None
        case "cut":
            return content[:at]
        case "flipped":
            mask = 1 << draw(st.integers(0, 7))
            return content[:at] + bytes(byte ^ mask for byte in content[at : at + 1]) + content[at + 1 :]
        case "spoilt":
            return content[:at] + draw(st.sampled_from(SPOILT)) + content[at:]
        case "line lost":
            return b"".join(lines[:line] + lines[line + 1 :])
        case _:
            return b"".join(lines[: line + 1] + lines[line:])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_to(tmp_path_factory.mktemp("damaged"))


def files_of(sweep: str) -> list[str]:
    """The files of a sweep and of the ledger, without models, as paths below the store."""
    store = WRITTEN / "store"
    paths = [*(store / "sweeps" / sweep).rglob("*"), *(store / "ledger").rglob("*")]
    return sorted(path.relative_to(store).as_posix() for path in paths if path.is_file() and path.suffix != ".pt")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), sweep=st.sampled_from([FINISHED, CALIBRATION, INTERRUPTED, ONE_FAILED]))
def test_no_damage_ends_in_a_traceback(place: Path, data: st.DataObject, sweep: str) -> None:
    name = data.draw(st.sampled_from(files_of(sweep)))
    content = data.draw(damaged((WRITTEN / "store" / name).read_bytes()))
    verb = [word if word != "SWEEP" else sweep for word in data.draw(st.sampled_from(LOOKING))]
    file = place / "hpt-store" / name
    try:
        file.unlink() if content is None else file.write_bytes(content)
        done = hpt(*verb, cwd=place, code=None)
        assert done.code in (0, 1, 2), done
        assert "Traceback" not in done.err, done.err
    finally:
        shutil.copyfile(WRITTEN / "store" / name, file)


@pytest.mark.parametrize("kind", ["missing", "text for a number", "cut", "no text at all"])
def test_a_damaged_row_affects_no_other(tmp_path: Path, kind: str) -> None:
    place = copy_to(tmp_path)
    before = rows_of(place, FINISHED)
    trial = min(before)
    (row,) = (place / f"hpt-store/sweeps/{FINISHED}/trials/{trial}").glob("result.csv")
    content = row.read_bytes()
    value = before[trial]["mse_valid"].encode()
    if kind == "missing":
        row.unlink()
    else:
        damage = {
            "text for a number": content.replace(value, b"0.o1"),
            "cut": content[: len(content) // 2],
            "no text at all": b"\xff\xfe\x00",
        }
        row.write_bytes(damage[kind])
    hpt("report", FINISHED, cwd=place, code=None)
    assert rows_of(place, FINISHED) == {name: cells for name, cells in before.items() if name != trial}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_rows_are_read_if_a_round_cannot_be_read(tmp_path: Path, number: int) -> None:
    place = copy_to(tmp_path)
    before = rows_of(place, FINISHED)
    (place / f"hpt-store/sweeps/{FINISHED}/plan/{number}.tsv").write_bytes(b"\xff\n")
    hpt("report", FINISHED, cwd=place)
    assert rows_of(place, FINISHED) == before
    page = (place / f"hpt-store/sweeps/{FINISHED}/report/index.html").read_text(encoding="utf-8")
    assert f"plan/{number}.tsv" in page
