import pytest

from pipeline.errors import InfrastructureError, UserError
from pipeline.sweep import Definition, Pack, Sweep, Trial, all_sweeps, find, parse_row
from tests.support.sweeps import define


def test_a_definition_survives_its_file(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    assert sweep.id == "20240614-0210-bag-of-words-3f9c"
    reread = Sweep(sweep.store, sweep.id).definition
    assert reread == sweep.definition == define(tiny_spec)
    assert reread.spec["parameters"] == tiny_spec["parameters"]


def test_the_spec_in_a_definition_can_be_run_again(tiny_spec):
    first = define(tiny_spec)
    assert define(first.spec) == first


def test_a_sweep_is_created_once(new_sweep, tiny_spec):
    new_sweep(tiny_spec)
    with pytest.raises(InfrastructureError, match="there is a sweep with this id already"):
        new_sweep(tiny_spec)


def test_sweeps_are_found_by_id_by_its_end_and_as_the_latest(store, tiny_spec):
    ids = [Sweep.create(store, define(tiny_spec, token)).id for token in ("aaab", "bbbb")]
    assert all_sweeps(store) == ids
    assert find(store, ids[0]).id == ids[0]
    assert find(store, "bbbb").id == find(store, "latest").id == ids[1]
    with pytest.raises(UserError, match="could be any of"):
        find(store, "b")
    with pytest.raises(UserError, match='no sweep ""'):
        find(store, "")
    with pytest.raises(UserError, match='no sweep "cccc"; it holds'):
        find(store, "cccc")
    with pytest.raises(UserError, match="holds no sweep"):
        find(store, "20240614-0210-bag-of-words-cccc")


@pytest.mark.parametrize("id", ["../../etc", "", "20240614-0210-x-3f9c/../y", "20240614-0210-X-3f9c", "-rf"])
def test_nothing_but_an_id_becomes_a_path(store, id):
    with pytest.raises(UserError, match="is no sweep id"):
        Sweep(store, id)


@pytest.mark.parametrize(
    "text", ["", "screen-e1-d0-s0", "../e001-d0-s0", "screen-e001-d0-s0\n", "screen-e001-d0-s0/.."]
)
def test_nothing_but_a_trial_becomes_a_path_either(text):
    with pytest.raises(UserError, match="is no trial"):
        Trial.parse(text)


def test_a_trial_and_a_pack_survive_their_text():
    trial = Trial("near-best", "e1012", 2, 10)
    assert Trial.parse(str(trial)) == trial
    pack = Pack("r0-p001", "a label", None, (trial, Trial("screen", "e000", 0, 0)))
    assert Pack.parse(pack.as_line()) == pack


def test_a_damaged_sweep_json_is_one_line(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    sweep.store.write(sweep.key("sweep.json"), b"{}")
    with pytest.raises(UserError, match=r"sweep\.json is damaged at id"):
        _ = Sweep(sweep.store, sweep.id).definition


WHOLE = (
    b"sweep,trial,phase,experiment,status,date-range\n"
    b'sweep,screen-e000-d0-s0,screen,e000,complete,"[""2024-01-01"", ""2024-03-01""]"\n'
)


def test_a_row_is_read_except_in_a_folder_of_no_trial():
    assert parse_row(WHOLE, "sweep", "screen-e000-d0-s0")["status"] == "complete"
    with pytest.raises(ValueError, match="is no trial's"):
        parse_row(WHOLE, "sweep", "notes")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"trial,status\n", "has 0 rows"),
        (b"trial,status\na,complete\na,complete\n", "has 2 rows"),
        (b"trial,status\nb,complete\n", "is a row of trial 'b'"),
        (WHOLE.replace(b"complete", b"splendid"), "has the status 'splendid'"),
        (WHOLE.replace(b"sweep,", b"other,", 1), "is a row of sweep None"),
        (WHOLE.replace(b'"[""2024-01-01"", ""2024-03-01""]"', b"today"), "has no date range"),
        (WHOLE.replace(b"2024-03-01", b"soon"), "has no date range"),
        (WHOLE.replace(b"2024-03-01", b"2023-03-01"), "has no date range"),
        (b"\xff", "decode"),
    ],
)
def test_a_damaged_row_names_its_problem(data, problem):
    with pytest.raises(ValueError, match=problem):
        parse_row(data, "sweep", "screen-e000-d0-s0")


def test_unknown_keys_in_a_definition_are_refused():
    with pytest.raises(ValueError, match="extra"):
        Definition.model_validate({"surprise": 1})


def test_a_deleted_or_damaged_round_is_named(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    for number in range(2):
        sweep.create_round(number, [])
    sweep.store.write(sweep.round_key(1), b"\xff\xfe")
    with pytest.raises(UserError, match=r"plan/1\.tsv is damaged"):
        sweep.round(1)
    sweep.store.delete(sweep.round_key(0))
    with pytest.raises(UserError, match=r"plan/0\.tsv is missing"):
        sweep.round(0)
    assert sweep.readable_rounds()[0] == [None, None]


def test_a_stop_keeps_its_reason(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    assert sweep.why_stopped() == ""
    sweep.ask_to_stop("no module named größe")
    assert (sweep.stop_is_asked(), sweep.why_stopped()) == (True, "no module named größe")
    sweep.forget_stop()
    assert (sweep.stop_is_asked(), sweep.why_stopped()) == (False, "")
