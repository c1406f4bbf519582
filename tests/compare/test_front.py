"""The content of a store's front page: entered by every sweep, also by several at once, at the cost of one object."""

import json
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import pipeline
from pipeline.compare import front
from pipeline.compare.front_page import badge, problems
from pipeline.errors import UserError
from pipeline.plan import judging
from pipeline.plan.judging import Judge
from pipeline.report.conclude import summary_of
from pipeline.report.state import State
from pipeline.store import Store, open_store
from pipeline.sweep import Sweep
from pipeline.sweep.claims import read as read_claim
from pipeline.sweep.definition import Resembling
from pipeline.sweep.layout import FRONT_LINES, FRONT_PAGE
from pipeline.sweep.merge import merge
from tests.support import claims
from tests.support.in_process import hpt
from tests.support.nights import judged_on, night, steady
from tests.support.sweeps import define

OLD = Path(__file__).parents[1] / "stores/before-the-house/store"


@pytest.fixture
def spec(tiny_spec: dict[str, Any]) -> dict[str, Any]:
    return judged_on(tiny_spec)


class Watched:
    """A store that records its reads, and calls `before_replacing` before it overwrites an object."""

    def __init__(self, store: Store, before_replacing: Callable[[str], None] = lambda key: None) -> None:
        self.store, self.root, self.before_replacing = store, store.root, before_replacing
        self.reads: list[str] = []

    def read(self, key: str) -> bytes:
        self.reads.append(key)
        return self.store.read(key)

    def replace(self, key: str, data: bytes, version: str | None) -> bool:
        self.before_replacing(key)
        return self.store.replace(key, data, version)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


def page_of(store: Store) -> str:
    return store.read(FRONT_PAGE).decode()


def enter(state: State, store: Store | None = None) -> None:
    front.enter(Sweep(store or state.sweep.store, state.sweep.id), summary_of(state))


def test_a_finished_sweep_is_entered_with_its_verdict_and_a_link_to_its_page(store, spec):
    sweep = night(store, spec, steady()).sweep
    summary = front.conclude(sweep, merge(sweep))
    line = front.read(store)[sweep.id]
    assert line.verdict == summary.confirmed.verdicts["e001"].kind
    assert (line.done, line.trials, line.judged) == (True, 18, True)
    assert (line.score, line.incumbent_score) == (pytest.approx(0.2, rel=0.05), pytest.approx(0.4, rel=0.05))
    assert line.gain == "50.0 % better"
    assert line.setting == "learning_rate=0.01"
    assert f'href="sweeps/{sweep.id}/report/index.html"' in page_of(store)
    assert Path(store.root, f"sweeps/{sweep.id}/report/index.html").is_file()


def test_a_kept_incumbent_has_its_error_and_no_gain(store, spec):
    enter(night(store, spec, steady(best=0.5)))
    (line,) = front.read(store).values()
    assert (line.verdict, line.gain, line.setting) == ("kept", "", "")
    assert line.score == line.incumbent_score == pytest.approx(0.4, rel=0.05)


def test_every_conclusion_enters_the_sweep():
    modules = {path.name: path.read_text(encoding="utf-8") for path in Path(pipeline.__file__).parent.rglob("*.py")}
    other_import = r"report\.conclude import (\(\s*)?([\w\s]+,\s*)*conclude\b"
    assert not [name for name, text in modules.items() if re.search(other_import, text)]
    assert [name for name, text in modules.items() if "concluding.conclude(" in text] == ["front.py"]


def test_sweeps_that_end_at_once_are_all_on_the_page(any_store, spec):
    states = [night(any_store, spec, day=day) for day in range(5)]
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(enter, states))
    assert all(f"sweeps/{state.sweep.id}/report" in page_of(any_store) for state in states)
    assert len(front.read(any_store)) == 5


@pytest.mark.parametrize("key_in_race", [FRONT_LINES, FRONT_PAGE])
def test_a_slower_writer_keeps_a_line_entered_meanwhile(any_store, spec, key_in_race):
    first, slow, fast = (night(any_store, spec, day=day) for day in range(3))
    enter(first)
    faster = [fast]

    def overtaken(key: str) -> None:
        if key == key_in_race and faster:
            enter(faster.pop())

    enter(slow, Watched(any_store, overtaken))
    assert not faster
    assert {f"sweeps/{state.sweep.id}/report" in page_of(any_store) for state in (first, slow, fast)} == {True}


def test_the_end_of_a_sweep_reads_no_other_sweep(any_store, spec):
    states = [night(any_store, spec, day=day) for day in range(3)]
    for state in states:
        enter(state)
    watched = Watched(any_store)
    enter(states[0], watched)
    assert not [key for key in watched.reads if key.startswith("sweeps/") and states[0].sweep.id not in key]


def test_deleted_lines_come_back(store, spec):
    for day in range(3):
        enter(night(store, spec, day=day))
    before = front.read(store)
    store.delete(FRONT_LINES)
    store.delete(FRONT_PAGE)
    front.bring_up_to_date(store)
    changing = {"looked": "", "has_page": False}
    assert [line.model_copy(update=changing) for line in front.read(store).values()] == [
        line.model_copy(update=changing) for line in before.values()
    ]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 1, "sweeps": [{"sweep": 3}]}'])
def test_damaged_lines_are_read_again_from_the_sweeps(store, spec, content):
    state = night(store, spec)
    store.write(FRONT_LINES, content)
    front.bring_up_to_date(store)
    assert list(front.read(store)) == [state.sweep.id]


def test_a_damaged_sweep_is_named_and_the_others_stay(store, spec):
    good, bad = night(store, spec), night(store, spec, day=1)
    store.write(bad.sweep.definition_key, b"{<script>")
    front.bring_up_to_date(store)
    assert list(front.read(store)) == [good.sweep.id]
    assert f"{bad.sweep.id}</bdi>: <bdi>cannot be read" in page_of(store)


def test_a_sweep_without_a_result_says_why(store, spec):
    enter(night(store, spec, status="failed", error="<b>no</b>"))
    (line,) = front.read(store).values()
    assert (line.verdict, line.score) == ("nothing", None)
    assert "there is no best setting" in line.note


def test_list_open_reads_unfinished_sweeps_again(store, spec):
    sweep = night(store, spec, done=False).sweep
    front.bring_up_to_date(store)
    assert front.read(store)[sweep.id].state == "5 of 6 trials"
    sweep.ask_to_stop()
    front.bring_up_to_date(store)
    assert front.read(store)[sweep.id].state == "stopped at 5 of 6 trials"


def test_a_deleted_sweep_leaves_the_page(store, spec):
    removed, remaining = night(store, spec), night(store, spec, day=1)
    front.bring_up_to_date(store)
    shutil.rmtree(Path(store.root, "sweeps", removed.sweep.id))
    enter(remaining)
    assert removed.sweep.id not in page_of(store)
    assert list(front.read(store)) == [remaining.sweep.id]


def test_a_page_that_is_not_ours_is_left_alone(store, spec):
    store.write(FRONT_PAGE, b"<h1>our own page</h1>")
    enter(night(store, spec))
    assert page_of(store) == "<h1>our own page</h1>"
    assert front.link(store) is None
    done = hpt("list", "--open", "--store", store.root, cwd=Path(store.root).parent, code=2)
    assert f"{FRONT_PAGE} is somebody's own page, which stays: move it away" in done.err
    assert page_of(store) == "<h1>our own page</h1>"


def test_a_newer_version_keeps_its_lines_and_its_page(store, spec):
    state = night(store, spec)
    newer = json.dumps({"format": front.FORMAT + 1, "sweeps": [{"something": "else"}]}).encode()
    store.write(FRONT_LINES, newer)
    with pytest.raises(UserError, match="upgrade"):
        enter(state)
    assert store.read(FRONT_LINES) == newer
    assert not store.exists(FRONT_PAGE)


def test_a_failing_front_page_fails_no_sweep(store, spec):
    sweep = night(store, spec).sweep
    Path(store.root, FRONT_PAGE).mkdir()
    assert front.conclude(sweep, merge(sweep)).done
    assert front.link(store) is None


def test_studies_stand_on_the_page_without_an_error(store, tiny_spec):
    question = Resembling(chosen_on=(), judging=(), settings=2, rope=0.005)
    Sweep.create(store, define(tiny_spec).model_copy(update={"resembling": question}))
    front.bring_up_to_date(store)
    (line,) = front.read(store).values()
    assert (line.verdict, line.score, line.gain, line.note) == ("study", None, "", "")


def test_a_judging_sweep_shows_the_present_state_of_its_claim_and_is_no_series(store, tiny_spec):
    claim = claims.claim_of(store, claims.elsewhere(claims.claim_spec(tiny_spec)))
    judge = Judge(date(2024, 12, 15), trains_here=False)
    sweep = judging.begin(store, read_claim(store, claim.id), judge)
    front.bring_up_to_date(store)
    line = front.read(store)[sweep.id]
    assert (line.verdict, line.claim, line.setting) == ("claim", claim.id, "learning_rate=0.01")
    assert "claim: waits" in page_of(store)
    # The line is never written again, but the state on the page changes.
    claims.judge(sweep, (0.75, 0.73, 0.74, 0.76, 0.75, 0.72))
    front.bring_up_to_date(store)
    assert "claim: real" in page_of(store)
    assert [
        line.sweep for problem in problems(list(front.read(store).values())) for line in problem.series[0].lines
    ] == [claim.origin.sweep]
    assert badge(line, {})[1] == "claim: gone"


def test_a_page_in_a_bucket_names_the_base_of_its_links(bucket, spec):
    store = open_store(f"gs://{bucket}/team")
    state = night(store, spec)
    enter(state)
    assert f'<base href="https://storage.cloud.google.com/{bucket}/team/index.html">' in page_of(store)
    assert f"gs://{bucket}/team" in page_of(store)


def test_list_open_gives_an_old_store_a_page(tmp_path):
    shutil.copytree(OLD, tmp_path / "hpt-store")
    done = hpt("list", "--open", cwd=tmp_path)
    page = tmp_path / "hpt-store" / FRONT_PAGE
    assert done.out.strip() == str(page)
    text = page.read_text(encoding="utf-8")
    ids = [folder.name for folder in (tmp_path / "hpt-store/sweeps").iterdir()]
    assert len(ids) > 3
    assert all(id in text for id in ids)
    assert "cannot be read" not in text


def test_a_read_only_store_shows_the_page_of_the_last_sweep(tmp_path, spec):
    store = open_store(str(tmp_path / "hpt-store"))
    enter(night(store, spec))
    night(store, spec, day=1)
    # A store on a mount that another machine writes is read-only here.
    marker = tmp_path / "hpt-store/.hpt-store.json"
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {"machine": ["another"]}))
    done = hpt("list", "--open", cwd=tmp_path, code=None)
    assert done.out.strip() == str(tmp_path / "hpt-store" / FRONT_PAGE), done.err
    assert "as the last sweep left it" in done.err


def test_a_store_without_sweeps_has_no_page(tmp_path):
    assert "holds no sweeps" in hpt("list", "--open", cwd=tmp_path, code=2).err
