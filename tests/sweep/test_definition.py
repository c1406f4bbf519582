"""The format of `sweep.json`, and the roles of its phases."""

import json

import pytest

from pipeline.errors import UserError
from pipeline.plan.rounds import plan_packs
from pipeline.store import Store
from pipeline.sweep import FORMAT, Definition, Sweep
from pipeline.sweep.merge import merge
from pipeline.trials.pack import Workbench, run_pack
from tests.support.rows import bare_row
from tests.support.sweeps import define

JUDGED = {"confirm": {"ranges": 1}, "confirm-range": [["2023-01-01", "2023-03-01"]]}


@pytest.fixture
def sweep(store: Store, tiny_spec: dict) -> Sweep:
    return Sweep.create(store, define(tiny_spec | JUDGED))


def rewritten(sweep: Sweep, **changes: object) -> Sweep:
    """The same sweep as another version of this project would write it."""
    content = json.loads(sweep.store.read(sweep.key("sweep.json"))) | changes
    sweep.store.write(sweep.key("sweep.json"), json.dumps(content).encode())
    return Sweep(sweep.store, sweep.id)


def test_a_new_sweep_says_its_format_and_what_its_phases_are_for(sweep):
    content = json.loads(sweep.store.read(sweep.key("sweep.json")))
    assert content["format"] == FORMAT
    assert [phase["role"] for phase in content["phases"]] == ["choose", "judge"]


def test_a_sweep_from_before_formats_and_roles_keeps_its_meaning(sweep):
    content = json.loads(sweep.store.read(sweep.key("sweep.json")))
    del content["format"], content["training"]["epoch-steps"]
    for phase in content["phases"]:
        del phase["role"]
    old = Definition.model_validate_json(json.dumps(content))
    assert old == sweep.definition.model_copy(update={"format": 1})
    assert old.training.epoch_steps == 1


@pytest.mark.parametrize("other", [FORMAT - 1, FORMAT + 1])
def test_a_sweep_of_another_format_is_read_but_not_continued(sweep, other):
    packs = plan_packs(sweep)
    trial = packs[0].trials[0]
    sweep.create_row(trial, bare_row(sweep, trial))
    old = rewritten(sweep, format=other)
    assert [row["trial"] for row in merge(old).rows] == [str(trial)]
    with pytest.raises(UserError, match=f"has the format {other}, and this version trains by format {FORMAT}"):
        plan_packs(old)
    with pytest.raises(UserError, match="start a new sweep from its spec"):
        run_pack(old, packs[1].id, packs[1].trials, Workbench(), on_event=lambda event: None)


def test_a_sweep_of_a_newer_version_names_that_as_the_problem(sweep):
    new = rewritten(sweep, format=FORMAT + 1, something="new")
    with pytest.raises(UserError, match="was made by a newer version of hpt: upgrade this one to read it"):
        _ = new.definition
    with pytest.raises(UserError, match=r"sweep\.json is damaged at something"):
        _ = rewritten(sweep, format=FORMAT).definition
