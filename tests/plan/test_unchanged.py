"""Going on with a sweep whose data changed since: refused, unless the person says that it is known."""

import shutil

import pytest
from typer.testing import CliRunner

from pipeline.errors import UserError
from pipeline.plan import create, rounds, unchanged
from pipeline.sweep import Sweep, trials_of
from pipeline.trials import pack
from pipeline.verbs.app import app
from tests.support.sweeps import define


@pytest.fixture
def table(tiny_csv, tmp_path):
    return shutil.copy(tiny_csv, tmp_path / "own.csv")


@pytest.fixture
def sweep(store, tiny_spec, table):
    """Finished, but for the trials of one experiment."""
    folder = Sweep.create(store, define(tiny_spec | {"data": tiny_spec["data"] | {"path": str(table)}}))
    run(folder, [trial for trial in trials_of(rounds.plan_packs(folder)) if trial.experiment != "e001"])
    return folder


def run(folder, trials):
    pack.run_pack(folder, "p", trials, pack.Workbench(), on_event=lambda _: None)


def change(table, old="place1", new="place2"):
    text = table.read_text()
    table.write_text(text.replace(old, new))


def test_a_sweep_whose_data_are_the_same_goes_on(sweep, table):
    unchanged.check(sweep)
    # Neither other columns nor other days are what its trials read.
    lines = table.read_text().splitlines()
    table.write_text("\n".join([f"{lines[0]},more", *(f"{line},1" for line in lines[1:]), "2024-05-30,place1,9,9,1\n"]))
    unchanged.check(sweep)


@pytest.mark.parametrize("retry", [False, True])
def test_a_sweep_whose_data_changed_does_not_go_on(sweep, table, retry):
    change(table)
    with pytest.raises(UserError, match=r"data of \[2024-01-01, .* changed since 4 trials read them.*--data-changed"):
        create.resume_here(sweep.id, sweep.store.root, data_changed=False, retry=retry)
    assert create.resume_here(sweep.id, sweep.store.root, data_changed=True, retry=retry).id == sweep.id


def test_what_changed_is_named_range_by_range(sweep, table):
    change(table, "2024-03-15,", "2024-03-16,")
    with pytest.raises(UserError, match=r"the data of \[2024-02-01, 2024-04-01\) changed since 2 trials read them"):
        unchanged.check(sweep)


def test_data_that_lost_all_rows_of_a_range_changed(sweep, table):
    table.write_text("day,place,size,value\n2020-01-01,place1,1,1\n")
    with pytest.raises(UserError, match="changed since 4 trials"):
        unchanged.check(sweep)


def test_where_nothing_is_left_to_run_the_data_do_not_matter(sweep, table):
    while packs := rounds.plan_packs(sweep):
        run(sweep, list(trials_of(packs)))
    change(table)
    unchanged.check(sweep)
    unchanged.check(sweep, retry=True)


def test_a_sweep_that_went_on_after_a_change_accepts_the_new_data(sweep, table):
    change(table)
    remaining = list(trials_of(rounds.plan_packs(sweep)))
    run(sweep, remaining[:2])
    unchanged.check(sweep)


def test_data_changed_is_no_option_of_a_new_sweep(tmp_path):
    result = CliRunner().invoke(app, ["run", "spec.json", "--data-changed"])
    assert isinstance(result.exception, UserError)
