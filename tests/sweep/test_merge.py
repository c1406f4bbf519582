from concurrent.futures import ThreadPoolExecutor

from pipeline import results
from pipeline.plan import rounds
from pipeline.sweep import Sweep, Trial, merge, trials_of
from tests.support.rows import bare_row


def planned(sweep: Sweep) -> list[Trial]:
    return list(trials_of(rounds.plan_packs(sweep)))


def test_rows_are_merged_sorted_by_trial_with_every_column(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    trials = planned(sweep)
    sweep.create_row(trials[3], bare_row(sweep, trials[3], mse_test=1.5, note="=1+1"))
    sweep.create_row(trials[1], bare_row(sweep, trials[1], learning_rate=0.001, nll_test=2.0))
    merged = merge.merge(sweep)
    assert [row["trial"] for row in merged.rows] == [str(trials[1]), str(trials[3])]
    back = results.read_csv(sweep.store.read(sweep.key("results.csv")))
    assert back == merged.rows
    assert back[1]["note"] == "=1+1"


def test_merging_again_gives_the_same_bytes_and_so_does_a_refresh(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    for trial in planned(sweep):
        sweep.create_row(trial, bare_row(sweep, trial, mse_test=0.1, missing=None))
    merge.merge(sweep)
    first = sweep.store.read(sweep.key("results.csv"))
    merge.refresh(sweep)
    assert sweep.store.read(sweep.key("results.csv")) == first
    sweep.store.delete(sweep.key("results.csv"))
    merge.refresh(sweep)
    assert sweep.store.read(sweep.key("results.csv")) == first


def test_a_refresh_reads_only_what_is_new(new_sweep, tiny_spec, monkeypatch):
    sweep = new_sweep(tiny_spec)
    trials = planned(sweep)
    for trial in trials[:4]:
        sweep.create_row(trial, bare_row(sweep, trial))
    merge.refresh(sweep)
    sweep.create_row(trials[4], bare_row(sweep, trials[4]))
    read = []
    before = sweep.store.read
    monkeypatch.setattr(sweep.store, "read", lambda key: read.append(key) or before(key))
    assert len(merge.refresh(sweep).rows) == 5
    assert [key for key in read if "trials/" in key] == [sweep.trial_key(trials[4], "result.csv")]


def test_the_highest_numbered_result_counts_also_after_a_refresh(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    trial = planned(sweep)[0]
    sweep.create_row(trial, bare_row(sweep, trial, status="failed"))
    merge.refresh(sweep)
    for number in (2, 10):
        sweep.create_row(trial, bare_row(sweep, trial, attempt=f"a{number}"), number)
    assert [row["attempt"] for row in merge.refresh(sweep).rows] == ["a10"]


def test_damaged_and_foreign_files_are_named_and_skipped(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    trials = planned(sweep)
    sweep.create_row(trials[0], bare_row(sweep, trials[0]))
    sweep.store.write(sweep.trial_key(trials[1], "result.csv"), b"\x00\xff")
    sweep.store.write(sweep.key("trials/notes/result.csv"), b"hello\n")
    sweep.store.write(sweep.key("trials/readme.txt"), b"hello\n")
    merged = merge.merge(sweep)
    assert [row["trial"] for row in merged.rows] == [str(trials[0])]
    assert [key for key, _ in merged.skipped] == [
        sweep.key("trials/notes/result.csv"),
        sweep.trial_key(trials[1], "result.csv"),
    ]


def test_racing_refreshes_end_with_every_row(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    trials = planned(sweep)

    def finish(trial: Trial) -> None:
        sweep.create_row(trial, bare_row(sweep, trial))
        merge.refresh(sweep)

    with ThreadPoolExecutor(len(trials)) as pool:
        list(pool.map(finish, trials))
    assert len(results.read_csv(sweep.store.read(sweep.key("results.csv")))) == len(trials)
