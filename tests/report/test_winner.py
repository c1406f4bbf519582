"""`hpt export`: verdicts on rows that the tests write, models of real trials."""

import json
import tarfile
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import pipeline
from pipeline import spec as specs
from pipeline.dates import DateRange
from pipeline.errors import UserError
from pipeline.plan import resolve, rounds
from pipeline.report import winner
from pipeline.report.state import State, state_of
from pipeline.store import Store, open_store
from pipeline.sweep import Definition, Sweep, trials_of
from pipeline.training.own import models
from pipeline.trials import pack
from tests.support import nights
from tests.support.in_process import Done, hpt
from tests.support.sweeps import NOW, define

FRAME = pd.DataFrame({"place": ["place1", "nowhere", None], "size": [0.5, -1.0, np.nan]})
JUDGED = nights.JUDGED
TODAY = date(2024, 6, 14)


def exported(*arguments: object, cwd: Path) -> Done:
    return hpt("export", *arguments, cwd=cwd, code=None)


def trained(store: Store, spec: dict[str, Any]) -> Sweep:
    sweep = Sweep.create(store, define(spec))
    workbench = pack.Workbench()
    while trials := list(trials_of(rounds.plan_packs(sweep))):
        pack.run_pack(sweep, "p", trials, workbench, on_event=lambda event: None)
    return sweep


@pytest.fixture
def two_months(tiny_spec: dict[str, Any]) -> dict[str, Any]:
    """Ends with the last month of the data."""
    months = [["2024-04-01", "2024-05-01"], ["2024-05-01", "2024-06-01"]]
    return tiny_spec | {"date-range": months, "search": {"strategy": "grid", "seed": 5}}


# -- the winner and its verdict


def better(experiment: str, at: int) -> float:
    """Everything is clearly better than the incumbent."""
    return 0.4 if experiment == "e000" else nights.wave(0.1, at, 0.1)


def night(store: Store, spec: dict[str, Any], score: nights.Score = nights.STEADY, **cells: Any) -> State:
    return nights.night(store, spec, score, model_url="/x/sweeps/y/model.pt", **cells)


def test_what_is_confirmed_as_real_is_said_to_be(store: Store, tiny_spec: dict[str, Any]) -> None:
    best = winner.winner_of(night(store, nights.judged_on(tiny_spec), better))
    assert (best.standing.experiment, best.verdict) == ("e001", "confirmed as real")


def test_a_real_runner_up_goes_before_a_best_that_is_not_shown(store: Store, tiny_spec: dict[str, Any]) -> None:
    noise = (0.8, 1.05, 0.95, 0.85, 1.02, 0.9)

    def score(experiment: str, at: int) -> float:
        return 0.4 * noise[at % 6] if experiment == "e001" else better(experiment, at)

    spec = nights.judged_on(tiny_spec) | {"confirm": {"finalists": 2}}
    best = winner.winner_of(night(store, spec, score))
    assert (best.standing.experiment, best.verdict) == ("e002", "confirmed as real")


def test_without_a_real_one_it_is_the_best_while_choosing_and_the_verdict_says_so(
    store: Store, tiny_spec: dict[str, Any]
) -> None:
    noise = (0.2, 1.2, 0.9, 1.3, 0.8, 1.1)
    spec = nights.judged_on(tiny_spec)
    best = winner.winner_of(
        night(store, spec, lambda experiment, at: 0.4 * (1 if experiment == "e000" else noise[at % 6]))
    )
    assert best.standing.experiment == "e001"
    assert best.verdict == "not confirmed: it is not shown to be better than your setting"
    unfinished = winner.winner_of(night(store, spec, done=False, token="aaaa"))
    assert unfinished.verdict == "not judged yet"
    unjudged = winner.winner_of(night(store, tiny_spec, token="bbbb"))
    assert (unjudged.standing.experiment, unjudged.verdict) == ("e001", "nothing judged it")


def test_an_incumbent_that_nothing_beats_is_the_best(
    store: Store, tiny_spec: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nights, "CHOSEN_BY", {"e000": 0.1, "e001": 0.2, "e002": 0.3})
    best = winner.winner_of(night(store, tiny_spec))
    assert best.standing.is_incumbent
    assert best.verdict == "nothing tried is better than your setting"


def test_the_model_is_of_the_newest_days(store: Store, tiny_spec: dict[str, Any]) -> None:
    assert winner.winner_of(night(store, tiny_spec)).row["trial"] == "screen-e001-d1-s0"
    older = nights.judged_on(tiny_spec)
    assert winner.winner_of(night(store, older, token="aaaa")).row["trial"] == "screen-e001-d1-s0"
    newer = tiny_spec | {"date-range": JUDGED[:2], "confirm-range": JUDGED[3:], "confirm": {}}
    assert winner.winner_of(night(store, newer, token="bbbb")).row["trial"] == "confirm-e001-d2-s0"


def test_a_best_setting_without_a_saved_model_is_one_plain_line(store: Store, tiny_spec: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="e001 is best, but none of its trials saved a model"):
        winner.winner_of(nights.night(store, tiny_spec))


# -- the newest days


@pytest.mark.parametrize(
    ("keys", "covered", "newest"),
    [
        ({"date-range": None}, None, ("2024-03-01", "2024-06-01")),
        ({}, None, ("2024-04-01", "2024-06-01")),
        ({}, ("2024-01-01", "2024-05-30"), ("2024-04-01", "2024-06-01")),
        ({}, ("2024-01-01", "2024-05-10"), ("2024-03-01", "2024-05-01")),
        ({}, ("2024-01-01", "2024-06-12"), ("2024-04-01", "2024-06-01")),
        ({"date-range": [["2024-01-03", "2024-02-12"]]}, None, ("2024-05-02", "2024-06-11")),
        ({"mode": "short"}, None, ("2024-05-01", "2024-06-01")),
        ({"mode": "short", "confirm": {}}, None, ("2024-04-01", "2024-06-01")),
        ({"data": "flights", "date-range": None}, ("2013-01-01", "2014-01-01"), ("2013-10-01", "2014-01-01")),
    ],
)
def test_the_newest_range_is_as_long_as_the_longest_and_ends_with_today_or_the_data(
    tiny_spec: dict[str, Any],
    keys: dict[str, Any],
    covered: tuple[str, str] | None,
    newest: tuple[str, str],
) -> None:
    spec = {key: value for key, value in (tiny_spec | keys).items() if value is not None}
    days = covered and DateRange(*map(date.fromisoformat, covered))
    assert winner.newest_range(define(spec), TODAY, days) == DateRange(*map(date.fromisoformat, newest))


# -- the files


def test_export_writes_the_spec_the_model_and_the_program_of_the_best(
    store: Store, two_months: dict[str, Any], tmp_path: Path
) -> None:
    sweep = trained(store, two_months | {"notes": "n", "mode": "full", "as-of": "2024-06-01"})
    best = winner.winner_of(state_of(sweep))
    result = exported(sweep.id, "--best", "--to", tmp_path / "out", "--store", store.root, cwd=tmp_path)
    assert result.code == 0, result.err
    first, second = result.out.splitlines()
    learning_rate = best.standing.assignment["learning_rate"]
    assert first == f"{best.standing.experiment} (learning_rate={learning_rate}): nothing judged it"
    assert second == (
        f"{tmp_path / 'out'}: spec.json to train it on [2024-05-01, 2024-06-01); "
        "model.pt, model.json, model.pt2, trained on [2024-05-01, 2024-06-01)"
    )
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"spec.json", "model.pt", "model.json", "model.pt2"}
    model = pipeline.load_model(tmp_path / "out")
    assert model.predict(FRAME).equals(pipeline.load_model(best.row["model_url"]).predict(FRAME))
    program = torch.export.load(tmp_path / "out/model.pt2").module()
    tokens, dense = model.encoder.encode(FRAME)
    np.testing.assert_allclose(
        program(torch.tensor(tokens), torch.tensor(dense)).detach(), model.predict_encoded(tokens, dense), atol=1e-5
    )
    written = json.loads((tmp_path / "out/spec.json").read_text())
    assert written == {
        "architecture": "bag-of-words",
        "tune": "nothing",
        "incumbent": best.standing.assignment,
        "date-range": [["2024-05-01", "2024-06-01"]],
        "data": two_months["data"] | {"target": ["value"]},
        "training": {"max-epochs": 2, "epoch-steps": 1, "validation-share": 0.15, "test-share": 0.15},
        "references": False,
        "search": {"seed": 5},
        "notes": f"{best.standing.experiment} of {sweep.id}: nothing judged it",
    }


def test_the_exported_spec_trains_the_very_same_model_on_the_same_days(
    store: Store, two_months: dict[str, Any], tmp_path: Path
) -> None:
    sweep = trained(store, two_months)
    best = winner.winner_of(state_of(sweep))
    spec = winner.spec_of(sweep.definition, best, TODAY, None)
    second = Sweep.create(store, resolve.resolve(specs.from_dict(spec), now=NOW, token="aaaa"))
    trials = list(trials_of(rounds.plan_packs(second)))
    assert [trial.phase for trial in trials] == ["train"]
    pack.run_pack(second, "p", trials, pack.Workbench(), on_event=lambda event: None)
    row = second.row(trials[0])
    assert row is not None
    assert (row["date-range"], row["mse_test"]) == (best.row["date-range"], best.row["mse_test"])
    assert rounds.plan_packs(second) == []
    predictions = [pipeline.load_model(trained_row["model_url"]).predict(FRAME) for trained_row in (row, best.row)]
    assert predictions[0].equals(predictions[1])


def test_a_sweep_in_a_bucket_is_exported_from_anywhere(bucket: str, two_months: dict[str, Any], tmp_path: Path) -> None:
    sweep = trained(open_store(f"gs://{bucket}/some where"), two_months)
    result = exported("latest", "--store", f"gs://{bucket}/some where", cwd=tmp_path)
    assert result.code == 0, result.err
    out = tmp_path / f"{sweep.id}-best"
    url = winner.winner_of(state_of(sweep)).row["model_url"]
    assert pipeline.load_model(out).predict(FRAME).equals(pipeline.load_model(url).predict(FRAME))


def test_a_store_that_was_moved_is_exported_all_the_same(two_months: dict[str, Any], tmp_path: Path) -> None:
    sweep = trained(open_store(str(tmp_path / "sweeps/before")), two_months)
    (tmp_path / "sweeps/before").rename(tmp_path / "after")
    result = exported(sweep.id, "--to", "out", "--store", tmp_path / "after", cwd=tmp_path)
    assert result.code == 0, result.err
    assert (tmp_path / "out/model.pt2").exists()


@pytest.mark.parametrize("name", ["forest.joblib", "model.pt", "weights/all.bin"])
def test_of_an_own_trainer_the_spec_and_its_file_are_exported(
    store: Store, tiny_spec: dict[str, Any], tmp_path: Path, name: str
) -> None:
    key = f"sweeps/a/trials/b/attempts/c/{name}"
    store.write(key, b"theirs")
    sweep = nights.night(store, tiny_spec, model_url=store.link(key)).sweep
    (tmp_path / "out").mkdir()
    (tmp_path / "out/model.json").write_text('{"made-with": {"hpt": "of an earlier export"}}')
    result = exported(sweep.id, "--to", "out", "--store", store.root, cwd=tmp_path)
    assert result.code == 0, result.err
    assert result.out.splitlines()[2].startswith("no model.pt2: torch.export is for the built-in architectures")
    file = Path(name).name
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"spec.json", "model.json", file}
    assert (tmp_path / "out" / file).read_bytes() == b"theirs"


@pytest.mark.parametrize("verb", ["export", "fetch"])
def test_a_model_that_was_packed_comes_as_its_trainer_left_it(
    store: Store, tiny_spec: dict[str, Any], tmp_path: Path, verb: str
) -> None:
    folder = tmp_path / "trained"
    (folder / "best/deep").mkdir(parents=True)
    (folder / "best/config.json").write_text("{}")
    (folder / "best/deep/my weights é.bin").write_bytes(b"theirs")
    packed = models.keep_model("best", folder, print)
    assert packed is not None
    key = f"sweeps/a/trials/b/attempts/c/{packed.name}"
    store.upload(key, packed.path)
    sweep = nights.night(store, tiny_spec, model_url=store.link(key)).sweep
    if verb == "export":
        result = exported(sweep.id, "--to", "out", "--store", store.root, cwd=tmp_path)
        assert result.code == 0, result.err
        assert "; best, trained on" in result.out
        (tmp_path / "out/spec.json").unlink()
    else:
        winner.fetch_model(sweep, "best", tmp_path / "out")
    assert {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*")} == {
        "best", "best/config.json", "best/deep", "best/deep/my weights é.bin",
    }  # fmt: skip
    assert (tmp_path / "out/best/deep/my weights é.bin").read_bytes() == b"theirs"


@pytest.mark.parametrize("is_broken", [False, True])
def test_a_tar_file_that_a_trainer_wrote_stays_one(
    store: Store, tiny_spec: dict[str, Any], tmp_path: Path, is_broken: bool
) -> None:
    with tarfile.open(tmp_path / "mine.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("x"))
    content = b"x" * 600 if is_broken else (tmp_path / "mine.tar").read_bytes()
    store.write("sweeps/a/trials/b/attempts/c/mine.tar", content)
    address = store.link("sweeps/a/trials/b/attempts/c/mine.tar")
    winner.fetch_model(nights.night(store, tiny_spec, model_url=address).sweep, "best", tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {"mine.tar": content}


def test_what_an_own_trainer_needs_stays_in_the_spec(store: Store, tiny_spec: dict[str, Any]) -> None:
    before = night(store, tiny_spec)
    definition = before.sweep.definition
    own: Definition = definition.model_copy(update={"spec": definition.spec | {"trainer": "a.b:c", "image": "i"}})
    written = winner.spec_of(own, winner.winner_of(before), TODAY, None)
    assert (written["trainer"], written["image"]) == ("a.b:c", "i")


def test_what_cannot_be_exported_is_one_line_and_exit_2(
    store: Store, tiny_spec: dict[str, Any], tmp_path: Path
) -> None:
    empty = Sweep.create(store, define(tiny_spec))
    without_model = nights.night(store, tiny_spec, token="aaaa", model_url=store.link("sweeps/a/model.pt")).sweep
    (tmp_path / "file").write_text("")
    for sweep, to, problem in (
        (empty, "out", f"{empty.id} has no best setting yet: 0 of 0 trials"),
        (without_model, "out", f"screen-e001-d1-s0: its model is no longer at {store.link('sweeps/a/model.pt')}"),
        (without_model, "file", "--to file: cannot be written: File exists"),
    ):
        result = exported(sweep.id, "--to", to, "--store", store.root, cwd=tmp_path)
        assert (result.code, result.err) == (2, f"hpt: {problem}\n")
