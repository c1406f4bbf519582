"""A build that judges claims by sweeps, through the same stages. Trials train nothing."""

import json
from datetime import date

import pytest

from pipeline.store import open_store
from pipeline.sweep import claims
from tests.jenkinsfile.conftest import Build, Controller
from tests.support import claims as claim_fixtures
from tests.support.claims import claims_of
from tests.support.lanes import Nursery


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Controller:
    controller = Controller(tmp_path_factory.mktemp("judging"), nursery)
    controller.quick_trials()
    return controller


def content(controller: Controller, architecture: str = "bag-of-words") -> dict[str, object]:
    """The content of a claim from a sweep of last year, older than the controller's data."""
    spec = json.loads(controller.spec(search={"strategy": "grid"}, parameters={"learning_rate": [0.01, 0.1]}))
    return claim_fixtures.claim_spec(spec, architecture=architecture)


class TestClaimsThatAreDue:
    @pytest.fixture(scope="class")
    @classmethod
    def build(cls, quick: Controller) -> Build:
        store = open_store(str(quick.store))
        for token, architecture in (("0001", "bag-of-words"), ("0002", "cnn")):
            claim_fixtures.finished(store, content(quick, architecture), token=token)
        assert len(claims_of(store)) == 2
        return quick.build(params={"JUDGE": "due", "AS_OF": "2024-03-01"})

    def test_each_claim_is_judged_by_a_sweep_on_its_new_date_ranges(self, build: Build) -> None:
        assert build.result == "SUCCESS", build.log
        assert [sweep.definition.architecture for sweep in build.sweeps] == ["bag-of-words", "cnn"]
        for sweep in build.sweeps:
            (phase,) = sweep.definition.phases
            assert [date_range.start for date_range in phase.ranges] == [date(2024, 1, 1), date(2024, 2, 1)]
        assert sum(len(trials.split(",")) for trials, _ in build.packs()) == 8

    def test_the_pairs_are_stored_with_the_claims(self, build: Build) -> None:
        for claim in claims_of(open_store(str(build.store))):
            pairs = claims.read(open_store(str(build.store)), claim.id).pairs
            assert [pair.range for pair in pairs] == list(claim.ranges[:2])

    def test_the_description_and_the_summary_show_the_state_of_each_claim(self, build: Build) -> None:
        assert build.description.count("waits: ") == 2
        page = (build.home / "published/Summary/index.html").read_text()
        for sweep in build.sweeps:
            assert f'<a href="{sweep.id}/index.html">' in page
            assert (build.home / f"published/Summary/{sweep.id}/index.html").exists()

    def test_a_build_without_a_new_date_range_succeeds_and_trains_nothing(
        self, quick: Controller, build: Build
    ) -> None:
        second_build = quick.build(params={"JUDGE": "due", "AS_OF": "2024-03-01"})
        assert second_build.result == "SUCCESS", second_build.log
        assert second_build.description == "No claim has a date range that is new."
        assert second_build.log.count("no new date range yet; the next one, [2024-03-01, 2024-04-01)") == 2
        assert second_build.packs() == []
        assert second_build.trace["published"] == []

    def test_a_claim_that_cannot_be_judged_makes_the_build_unstable_and_stops_no_other(
        self, quick: Controller, build: Build
    ) -> None:
        store = open_store(str(quick.store))
        first, second = claims_of(store)
        store.write(f"ledger/claims/{first.id}/claim.json", b"{")
        second_build = quick.build(params={"JUDGE": "due", "AS_OF": "2024-04-01"})
        assert second_build.result == "UNSTABLE", second_build.log
        assert f"{first.id}/claim.json is damaged" in second_build.log
        assert second_build.sweep.definition.claim is not None
        assert second_build.sweep.definition.claim.id == second.id
        assert second_build.description.startswith(f"{second.id} (learning_rate=0.01): waits: ")
