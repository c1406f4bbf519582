"""An old store, of format 1, is read, compared and exported; its specs run in new sweeps.

`tests/stores/before-the-house/README.md` describes the store. The output of verbs on it is compared with goldens, which
`GOLDENS=renew python -m pytest tests/test_old_stores.py` renews. The store itself and its predictions never change.
Computed numbers and predictions may differ in the last digits, because processors round differently.
"""

import csv
import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

import pipeline
from tests.support.golden import check
from tests.support.in_process import Done, hpt

pytestmark = pytest.mark.usefixtures("quick_lanes")

WRITTEN = Path(__file__).parent / "stores/before-the-house"
WRITTEN_AT = "/srv/hpt"
FINISHED = "20261127-2057-bag-of-words-5c5d"
WIDER = "20261127-2057-bag-of-words-5da0"
CALIBRATION = "20261127-2057-calibrated-mean-4926"
INTERRUPTED = "20261127-2058-bag-of-words-145f"
ONE_FAILED = "20261127-2058-mean-6487"
AUTOMATIC = "20261127-2058-shrunk-mean-524c"
EVERY = [FINISHED, WIDER, CALIBRATION, INTERRUPTED, ONE_FAILED, AUTOMATIC]
DRIFT = 1e-6
"""Tolerated relative difference of numbers that are computed from the same rows."""


def copy_to(folder: Path) -> Path:
    shutil.copytree(WRITTEN, folder, dirs_exist_ok=True)
    # The default store of verbs.
    (folder / "store").rename(folder / "hpt-store")
    return folder


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy that tests read and report on."""
    return copy_to(tmp_path_factory.mktemp("old"))


@pytest.fixture(scope="module")
def reported(old: Path) -> dict[str, Done]:
    return {sweep: hpt("report", sweep, cwd=old) for sweep in (FINISHED, CALIBRATION)}


def rows_of(place: Path, sweep: str) -> dict[str, dict[str, str]]:
    """The rows of a sweep, by trial."""
    with open(place / f"hpt-store/sweeps/{sweep}/results.csv", newline="", encoding="utf-8") as file:
        return {row["trial"]: row for row in csv.DictReader(file)}


def files_of(folder: Path, pattern: str) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.glob(pattern) if path.is_file()}


# -- read


def test_every_sweep_is_listed(old: Path) -> None:
    check("old-store/list.txt", hpt("list", cwd=old).out, DRIFT)


@pytest.mark.parametrize("sweep", EVERY)
def test_results_have_not_changed(old: Path, sweep: str) -> None:
    results = hpt("results", sweep, cwd=old)
    check(f"old-store/results/{sweep}.txt", results.out + results.err, DRIFT)
    written = (WRITTEN / f"store/sweeps/{sweep}/results.csv").read_text(encoding="utf-8")
    assert hpt("results", sweep, "--csv", cwd=old).out == written


def test_the_rows_of_a_finished_sweep_can_be_watched(old: Path) -> None:
    watched = hpt("watch", FINISHED, cwd=old)
    check("old-store/watch.txt", watched.out + watched.err, DRIFT)


@pytest.mark.parametrize("suffix", ["md", "xml"])
def test_results_are_exported_for_other_tools(old: Path, suffix: str, tmp_path: Path) -> None:
    hpt("results", WIDER, "--export", tmp_path / f"results.{suffix}", cwd=old)
    text = (tmp_path / f"results.{suffix}").read_text(encoding="utf-8").replace(str(old), "<place>")
    check(f"old-store/export.{suffix}", text, DRIFT)


def test_two_sweeps_are_compared(old: Path) -> None:
    compared = hpt("compare", FINISHED, WIDER, cwd=old).out
    check("old-store/compare.txt", compared.replace(str(old), "<place>"), DRIFT)
    details = hpt("compare", FINISHED, WIDER, "--verbose", cwd=old).out
    check("old-store/compare-verbose.txt", details.replace(str(old), "<place>"), DRIFT)
    check("old-store/compare.json", hpt("compare", FINISHED, WIDER, INTERRUPTED, "--json", cwd=old).out, DRIFT)


def test_the_history_lists_the_nights(old: Path) -> None:
    check("old-store/history.txt", hpt("history", "--fail-on-regression", cwd=old).out, DRIFT)


# -- merged and reported


@pytest.mark.parametrize("sweep", EVERY)
def test_a_merge_gives_the_same_bytes(old: Path, sweep: str) -> None:
    place = old / f"hpt-store/sweeps/{sweep}/results.csv"
    written = place.read_bytes()
    place.unlink()
    hpt("merge", sweep, cwd=old, code=1 if sweep == ONE_FAILED else 0)
    assert place.read_bytes() == written


def test_the_answer_and_the_verdict_stay(old: Path, reported: dict[str, Done]) -> None:
    for sweep, done in reported.items():
        check(f"old-store/report/{sweep}.txt", done.out.replace(str(old), "<place>"), DRIFT)
    # Nothing is judged twice, and the ledger has no other new parts. Digests and the front page are new, because older
    # versions did not have them.
    ledger = {file: content for file, content in files_of(old / "hpt-store", "**/*").items() if in_the_ledger(file)}
    written = files_of(WRITTEN / "store", "ledger/**/*")
    assert {file: content for file, content in ledger.items() if file in written} == written
    new = {"/".join(file.split("/")[:2]) for file in ledger.keys() - written.keys()}
    assert new == {"ledger/digests", "ledger/judged", "ledger/front.json", "index.html"}


def in_the_ledger(file: str) -> bool:
    """True if a file of the store belongs neither to a sweep nor to the store itself."""
    return not file.startswith(("sweeps/", "compared/", ".hpt-"))


def test_the_text_of_the_page_has_not_changed(old: Path, reported: dict[str, Done]) -> None:
    folder = old / f"hpt-store/sweeps/{FINISHED}/report"
    text = Text()
    text.feed((folder / "index.html").read_text(encoding="utf-8"))
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    check("old-store/page.txt", "\n".join([*files, "", *text.lines]), DRIFT)


class Text(HTMLParser):
    """The text of a page, without its styles and pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._unseen += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._unseen and data.strip():
            self.lines.append(" ".join(data.split()))


# -- models


def predictions_of(model: Path | str) -> list[float]:
    rows = pd.DataFrame(json.loads((WRITTEN / "predictions.json").read_text())["rows"])
    return pipeline.load_model(model).predict(rows)["value"].tolist()


def expected(trial: str) -> object:
    predictions = json.loads((WRITTEN / "predictions.json").read_text())["value"]
    return pytest.approx(predictions[trial], rel=1e-5)


def test_every_model_predicts_as_it_did_when_it_was_saved(old: Path) -> None:
    rows = rows_of(old, FINISHED)
    assert len(rows) == 18
    for trial, row in rows.items():
        url = row["model_url"].replace(f"{WRITTEN_AT}/store", str(old / "hpt-store"))
        assert predictions_of(url) == expected(trial), trial


@pytest.mark.parametrize(
    ("sweep", "model", "trial"),
    [
        (FINISHED, "best", "screen-e003-d1-s0"),
        (FINISHED, "screen-e001-d0-s0", "screen-e001-d0-s0"),
        # A reused row, whose model lies in the sweep that trained it.
        (WIDER, "e002", "screen-e002-d1-s0"),
    ],
)
def test_a_model_is_fetched(old: Path, tmp_path: Path, sweep: str, model: str, trial: str) -> None:
    hpt("fetch", sweep, "--model", model, "--to", tmp_path / "model", cwd=old)
    assert sorted(files_of(tmp_path / "model", "*")) == ["model.json", "model.pt"]
    assert predictions_of(tmp_path / "model") == expected(trial)


def test_the_best_is_exported(old: Path, tmp_path: Path) -> None:
    done = hpt("export", FINISHED, "--best", "--to", tmp_path / "best", cwd=old)
    assert done.out.splitlines()[0] == "e003 (learning_rate=0.05): confirmed as real"
    assert sorted(files_of(tmp_path / "best", "*")) == ["model.json", "model.pt", "model.pt2", "spec.json"]
    check("old-store/best.json", (tmp_path / "best/spec.json").read_text(encoding="utf-8"))
    assert predictions_of(tmp_path / "best") == expected("screen-e003-d1-s0")
    hpt("validate", tmp_path / "best/spec.json", cwd=old)


# -- not continued: trainings of format 2 are never ranked together with those of format 1


@pytest.mark.parametrize(
    "words", [("run", "--sweep", INTERRUPTED), ("run", "--sweep", AUTOMATIC), ("retry", ONE_FAILED)], ids=str
)
def test_nothing_is_added_to_a_sweep_of_an_older_format(tmp_path: Path, words: tuple[str, ...]) -> None:
    folder = copy_to(tmp_path)
    (folder / "mended").touch()
    done = hpt(*words, "--lanes", 1, cwd=folder, code=2)
    assert f"{words[-1]} has the format 1, and this version trains by format 2" in done.err
    assert "start a new sweep from its spec" in done.err
    written = files_of(WRITTEN / "store", "sweeps/*/trials/**/*") | files_of(WRITTEN / "store", "sweeps/*/plan/*")
    files = files_of(folder / "hpt-store", "sweeps/*/trials/**/*") | files_of(folder / "hpt-store", "sweeps/*/plan/*")
    assert files == written


# -- new sweeps from old specs


@pytest.fixture(scope="module")
def rerun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A copy in which the spec of the interrupted sweep was run again, and the new sweep."""
    folder = copy_to(tmp_path_factory.mktemp("anew"))
    return folder, hpt("run", "interrupted.json", "--lanes", 1, cwd=folder).out.splitlines()[0]


def test_a_new_sweep_from_an_old_spec_reads_the_same_data(rerun: tuple[Path, str]) -> None:
    folder, sweep = rerun
    # A setting that is stopped on one range is not trained on the next, and reads no data there.
    fingerprints = {
        row["date-range"]: row["data_fingerprint"] for row in rows_of(folder, sweep).values() if row["epochs"] != "0"
    }
    # The fingerprints of the old rows hash the encoding, too, so these were noted when it was still the same.
    assert {date_range[2:12]: fingerprint for date_range, fingerprint in fingerprints.items()} == {
        "2024-04-01": "rows-61bf1bdc5564d222",
        "2024-05-01": "rows-f6f7c33200e4a60e",
        "2024-06-01": "rows-18da2b8dcab70535",
        "2024-07-01": "rows-727aa986dc8ceb13",
        "2024-08-01": "rows-7f26e42adb3891f0",
    }


def test_a_new_sweep_counts_the_ranges_that_old_sweeps_chose_on(rerun: tuple[Path, str]) -> None:
    folder, sweep = rerun
    definition = json.loads((folder / f"hpt-store/sweeps/{sweep}/sweep.json").read_text(encoding="utf-8"))
    assert definition["chosen-before"] == {"[2024-07-01, 2024-08-01)": 3, "[2024-08-01, 2024-09-01)": 3}
