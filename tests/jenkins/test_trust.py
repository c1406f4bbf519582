"""Limits of a build's parameters: code, images, stores and data only from allowed places."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import UserError
from pipeline.jenkins import rounds
from pipeline.jenkins.check import check
from pipeline.jenkins.trust import CODE, check_code
from pipeline.plan import judging
from pipeline.plan.resolve import resolve
from pipeline.spec import from_dict, json_schema
from pipeline.spec.normalize import as_written
from pipeline.store import open_store
from pipeline.sweep import Sweep, claims
from tests.support import claims as claim_fixtures
from tests.support.claims import claims_of

STRICT = {
    "LABEL": "gpu",
    "LANES": "2",
    "HPT_STORE": "gs://team/tuning",
    "HPT_STORES": "gs://other/tuning/, /mnt/our runs",
    "HPT_DATA_ROOTS": "gs://team/data\n/mnt/data/",
    "HPT_REGISTRY": "registry.test:5000/team/",
}
ALLOWED = STRICT | {"HPT_ALLOW_INLINE_CODE": "1"}
ADVICE = "commit this one under specs/ and name it in SPEC"

RANGES = [["2013-01-01", "2013-04-01"]]
SEARCH = {
    "strategy": "tpe",
    "experiments": 4,
    "batch": 2,
    "seed": 1,
    "seeds-per-range": 1,
    "race": False,
    "early-stopping": {"rule": "halving", "min-epochs": 1, "reduction": 3},
}
SPACE = {
    "hidden_size": {"low": 16, "high": 64, "step": 16},
    "learning_rate": {"low": 0.001, "high": 0.1, "log": True},
    "hidden_layers": {"values": [1, 2]},
    "dropout": {"low": 0.0, "high": 0.5, "when": {"hidden_layers": [2]}},
}
BASE: dict[str, Any] = {"architecture": "bag-of-words", "parameters": {"learning_rate": [0.01, 0.1]}}
FILES = {"path": "/mnt/data/*.csv", "date": "day", "numeric": ["x"], "target": "y"}
OWN = {"command": ["true"], "hyperparameters": {"lr": 0.1}, "parameters": {"lr": [0.1, 0.2]}}

HARMLESS: list[dict[str, Any]] = [
    {
        "architecture": "bag-of-words",
        "data": {"source": "flights", "target": ["air_time"]},
        "parameters": SPACE,
        "date-range": RANGES,
        "confirm": {"ranges": 1, "finalists": 1, "seeds-per-range": 1, "rope": 0.01, "day-of-month": 1},
        "confirm-range": [["2013-04-01", "2013-07-01"]],
        "training": {"max-epochs": 2, "epoch-steps": 2, "time-limit-minutes": 5, "validation-share": 0.2}
        | {"test-share": 0.2},
        "search": SEARCH,
        "objective": {"metric": "mse", "goal": "minimize"},
        "incumbent": {"learning_rate": 0.01},
        "as-of": "2013-12-01",
        "mode": "full",
        "short": {"months": 1, "ranges": 1, "max-epochs": 2},
        "tune": "parameters",
        "constraints": [["hidden_size", "<=", 64]],
        "budget": {"experiments": 3, "trials": 30, "hours": 1, "device-hours": 1}
        | {"money": 5, "price-per-device-hour": 2},
        "reuse": False,
        "references": False,
        "store": "gs://other/tuning/nightly",
        "image": "registry.test:5000/team/hpt-trainer:0123456789abcdef",
        "notes": "why; $(touch ran)",
    },
    {
        "architecture": "bag-of-words",
        "range-months": 2,
        "data": FILES
        | {"text": ["t"], "categorical": ["c"], "date-parts": ["hour"], "target-transform": "log"}
        | {"date-format": "%d/%m/%Y", "decimal": ",", "separator": ";", "encoding": "latin-1", "may-lose": 0.4},
        "phases": [{"name": "screen", "parameters": SPACE, "date-range": RANGES, "mode": "full", "search": SEARCH}],
        "objective": {"scale": "difference"},
        "confirm": {"rope": {"absolute": 0.1}},
    },
]
"""Specs that pass. A new key belongs into one of them, if it can neither run code nor name a place, ..."""

_INTERVAL = {"low": 0.1, "high": 0.9, "log": True, "step": None}
CODES: list[dict[str, Any]] = [
    {"trainer": "os:system", "parameters": {"lr": [0.1]}},
    {"describe": ["true"], "command": ["true"], "parameters": {"lr": [0.1]}},
    OWN | {"command": ["true", {"if": "lr", "arguments": ["--amp"]}]},
    OWN
    | {
        "metrics-pattern": "(?P<mse_valid>.*)",
        "hyperparameters": {
            "lr": {"default": 0.1, "domain": {**_INTERVAL, "when": {"b": [1]}}, "limits": _INTERVAL, "help": "h"}
            | {"phase": "learning-rate"},
            "b": {"default": 1, "domain": {"values": [1]}, "limits": {"values": [1], "when": {}}},
        },
    },
]
"""Or into one of these, which are refused, and into `trust.CODE`."""


def keys_of_schema() -> set[str]:
    """Every key that a spec can have, as a path; `*` stands for any name."""
    schema = json.loads(json_schema())

    def keys(node: Any, path: str) -> Iterator[str]:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
        for part in [each for word in ("anyOf", "oneOf", "allOf", "prefixItems") for each in node.get(word, ())]:
            yield from keys(part, path)
        for word, name in (("items", ""), ("additionalProperties", "*.")):
            if isinstance(part := node.get(word), dict):
                yield from keys(part, path + name)
        for name, part in node.get("properties", {}).items():
            yield path + name
            yield from keys(part, f"{path}{name}.")

    return set(keys(schema, ""))


KEYS = keys_of_schema()


def keys_used(value: Any, path: str = "") -> Iterator[str]:
    for each in value if isinstance(value, list) else ():
        yield from keys_used(each, path)
    for name, part in value.items() if isinstance(value, dict) else ():
        key = path + name if path + name in KEYS else f"{path}*"
        yield key
        yield from keys_used(part, f"{key}.")


def refusal(environment: dict[str, str], **parameters: str) -> str:
    """The message with which a build with these parameters fails."""
    with pytest.raises(UserError) as caught:
        check(environment | parameters)
    return str(caught.value)


def test_every_key_of_a_spec_is_tried_through_the_parameters() -> None:
    tried = {key for spec in (*HARMLESS, *CODES) for key in keys_used(spec)}
    assert KEYS - tried == set(), "new keys: put each into a spec of HARMLESS or CODES"


@pytest.mark.parametrize("spec", HARMLESS)
def test_a_spec_without_code_passes_unchanged(spec: dict[str, Any]) -> None:
    specs, _ = check(STRICT | {"SPEC_JSON": json.dumps(spec)})
    assert as_written(specs["spec"]) == as_written(from_dict(spec))


@pytest.mark.parametrize("spec", CODES)
def test_code_in_a_parameter_is_refused_unless_an_administrator_allows_it(spec: dict[str, Any]) -> None:
    text = json.dumps(spec)
    lines = refusal(STRICT, SPEC_JSON=text).splitlines()
    assert [line.split(":")[:2] for line in lines] == [["SPEC_JSON", f" {key}"] for key in CODE if key in spec]
    assert all(ADVICE in line for line in lines)
    notes: list[str] = []
    specs, _ = check(ALLOWED | {"SPEC_JSON": text}, notes.append)
    assert as_written(specs["spec"]).keys() >= spec.keys()
    assert notes == ["HPT_ALLOW_INLINE_CODE=1: specs in parameters may bring code and images of their own"]


@pytest.mark.parametrize("value", ["", "0", "true", "yes", "null"])
def test_only_1_allows_code(value: str) -> None:
    assert ADVICE in refusal(STRICT, SPEC_JSON=json.dumps(OWN), HPT_ALLOW_INLINE_CODE=value)


@pytest.mark.parametrize("forged", ["1 null null", "null gs://evil null", "null null ", "null null /"])
def test_a_parameter_cannot_set_the_limits(forged: str) -> None:
    assert "an administrator's to set" in refusal(ALLOWED, SPEC_JSON=json.dumps(HARMLESS[0]), HPT_FORGED=forged)


@pytest.mark.parametrize("key", ["command", "trainer", "describe", "image", "store"])
def test_no_other_parameter_takes_a_key_of_a_spec(key: str) -> None:
    data = json.dumps(FILES | {key: ["true"]})
    assert "DATA: " in refusal(STRICT, SPEC_JSON=json.dumps(BASE), DATA=data)
    assert "BUDGET: " in refusal(STRICT, SPEC_JSON=json.dumps(BASE), BUDGET=f"{key}=1")
    assert "ARCHITECTURE: " in refusal(STRICT, ARCHITECTURE=json.dumps({key: ["true"]}), DATA="flights")


def test_a_committed_spec_may_name_code_and_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("specs").mkdir()
    spec = CODES[1] | {"image": "elsewhere.test/own:1", "data": FILES | {"path": "/opt/x.csv"}}
    Path("specs/own.json").write_text(json.dumps(spec))
    specs, _ = check(STRICT | {"SPEC": "specs/own.json"})
    assert as_written(specs["spec"]).items() >= {"describe": ["true"], "image": "elsewhere.test/own:1"}.items()


# -- images


OURS = "registry.test:5000/team/hpt-trainer"


@pytest.mark.parametrize("image", [f"{OURS}:1", f"{OURS}@sha256:0a", f"{OURS}:1@sha256:0a", OURS])
def test_images_that_builds_make_may_be_named(image: str) -> None:
    specs, _ = check(STRICT | {"SPEC_JSON": json.dumps(BASE), "IMAGE": image})
    assert specs["spec"].image == image


STRANGE = [
    "hpt-trainer:1",
    "registry.test:5000/hpt-trainer:1",
    "registry.test:5000/team/other:1",
    "registry.test:5000/team/hpt-trainer-evil:1",
    "registry.test:5000/team/hpt-trainer/evil:1",
    "evil.test/registry.test:5000/team/hpt-trainer:1",
    "registry.test:5000/team-evil/hpt-trainer:1",
    "registryXtest:5000/team/hpt-trainer:1",
]


@pytest.mark.parametrize("image", STRANGE)
def test_other_images_are_refused(image: str) -> None:
    problem = f"possible is {OURS}, as docker/image makes it"
    assert problem in refusal(STRICT, SPEC_JSON=json.dumps(BASE), IMAGE=image, HPT_IMAGE_MADE=f"{OURS}:1")
    assert problem in refusal(STRICT, SPEC_JSON=json.dumps(BASE | {"image": image}))
    # A sweep keeps the image, and a later build may go on with it in containers.
    assert problem in refusal(STRICT, SPEC_JSON=json.dumps(BASE | {"image": image}), CONTAINER="none")
    specs, _ = check(ALLOWED | {"SPEC_JSON": json.dumps(BASE), "IMAGE": image})
    assert specs["spec"].image == image


# -- stores and data


@pytest.mark.parametrize("store", ["gs://team/tuning", "gs://other/tuning/x/", "/mnt/our runs", "/mnt/our runs/a/"])
def test_a_store_may_lie_in_an_allowed_place(store: str) -> None:
    assert check(STRICT | {"SPEC_JSON": json.dumps(BASE), "STORE": store})[1].store == store


BAD_STORES = ["gs://other-evil/tuning", "gs://other", "gs://other/tuning-evil", "gs://evil/other/tuning", "/mnt/our"]
BAD_STORES += ["/mnt", "/mnt/our runs-evil", "/mnt/our runs/../x", "/team/tuning", "gs://other/tuning/../x"]


@pytest.mark.parametrize("store", BAD_STORES)
def test_a_store_elsewhere_is_refused(store: str) -> None:
    assert refusal(STRICT, SPEC_JSON=json.dumps(BASE), STORE=store).startswith("STORE: ")
    assert refusal(STRICT, SPEC_JSON=json.dumps(BASE | {"store": store})).startswith("SPEC_JSON: store: ")
    check(STRICT | {"SPEC_JSON": json.dumps(BASE | {"store": "gs://team/tuning"})})


@pytest.mark.parametrize("store", ["mnt/our runs", "~/runs", "s3://x"])
def test_a_store_with_a_local_path_is_refused(store: str) -> None:
    assert refusal(STRICT, SPEC_JSON=json.dumps(BASE | {"store": store})).startswith("SPEC_JSON: store: ")


GOOD_DATA = ["/mnt/data/a.csv", "/mnt/data", "/mnt/data/**/*.csv", "//mnt///data/x", "gs://team/data/x/*.csv"]
GOOD_DATA += ["examples/table.csv", "./examples/*.csv", "gs://team/data/*"]
BAD_DATA = ["/etc/passwd", "/mnt/data-evil/x", "/mnt/*/x", "/mnt/data/../x", "/mnt/data*", "/mnt/dat?/x", "/", "/*"]
BAD_DATA += ["../x.csv", "examples/../../x", ".git/config", "~/x.csv", "a/.hidden", "mnt/data/../../x"]
BAD_DATA += ["gs://team/data-evil/x", "gs://team/x", "gs://team-evil/data/x", "gs://team/data*", "gs://team/data/../x"]
BAD_DATA += ["gs://team//data/x", "gs://team/*/data", "/team/data/x", "a\0b"]


@pytest.mark.parametrize("path", GOOD_DATA)
def test_data_may_lie_in_an_allowed_place_and_in_the_repository(path: str) -> None:
    data = FILES | {"path": path}
    check(STRICT | {"SPEC_JSON": json.dumps(BASE | {"data": data})})
    check(STRICT | {"SPEC_JSON": json.dumps(BASE), "DATA": json.dumps(data)})


@pytest.mark.parametrize("path", BAD_DATA)
def test_data_elsewhere_are_refused(path: str) -> None:
    data = FILES | {"path": path}
    assert refusal(STRICT, SPEC_JSON=json.dumps(BASE | {"data": data})).startswith("SPEC_JSON: data.path: ")
    parameters = {"ARCHITECTURE": "bag-of-words", "DATA": json.dumps(data)}
    assert refusal(STRICT, **parameters).startswith("DATA: data.path: ")


def test_links_do_not_lead_out_of_an_allowed_place(tmp_path: Path) -> None:
    for name in ("data", "runs", "secret"):
        (tmp_path / name).mkdir()
    (tmp_path / "secret/x.csv").write_text("day,x,y\n")
    (tmp_path / "data/link").symlink_to("../secret")
    (tmp_path / "data/x.csv").symlink_to("../secret/x.csv")
    (tmp_path / "runs/link").symlink_to("../secret")
    (tmp_path / "linked").symlink_to("data")
    environment = STRICT | {"HPT_STORES": f"{tmp_path}/runs", "HPT_DATA_ROOTS": f"{tmp_path}/data, {tmp_path}/linked"}
    for path in ("data/link/x.csv", "data/link/*.csv", "data/*.csv", "data/*/x.csv", "linked/x.csv"):
        data = json.dumps(FILES | {"path": f"{tmp_path}/{path}"})
        assert "DATA: data.path: " in refusal(environment, SPEC_JSON=json.dumps(BASE), DATA=data), path
    assert "STORE: " in refusal(environment, SPEC_JSON=json.dumps(BASE), STORE=f"{tmp_path}/runs/link/x")
    (tmp_path / "data/real.csv").write_text("day,x,y\n")
    data = json.dumps(FILES | {"path": f"{tmp_path}/linked/real*"})
    check(environment | {"SPEC_JSON": json.dumps(BASE), "DATA": data})


def test_without_limits_anything_is_allowed_and_the_log_says_so() -> None:
    notes: list[str] = []
    spec = BASE | {"data": FILES | {"path": "/etc/*"}}
    check({"LABEL": "gpu", "LANES": "1", "STORE": "/x", "SPEC_JSON": json.dumps(spec)}, notes.append)
    assert notes == [
        "not set: HPT_STORES and HPT_DATA_ROOTS; parameters may name any store and any data that the machines can reach"
    ]


@pytest.mark.parametrize("name", ["HPT_STORES", "HPT_DATA_ROOTS"])
@pytest.mark.parametrize("text", ["runs", "~/x", "s3://x", "gs://", "/a/../b", "/a,b", ",", "gs://x*", "/data/*"])
def test_a_wrong_limit_is_reported_by_its_name(name: str, text: str) -> None:
    assert refusal(STRICT | {name: text}, SPEC_JSON=json.dumps(BASE)).startswith(f"{name}: ")


# -- sweeps that exist


def planned_sweep(store: Path, **changes: Any) -> str:
    """The id of a new sweep in a store that another person wrote."""
    definition = resolve(from_dict(changes), now=datetime(2026, 6, 14, 2, 10, tzinfo=UTC), token="0a0a")
    return Sweep.create(open_store(str(store)), definition).id


SWEEPS = [
    OWN | {"date-range": RANGES},
    BASE | {"data": "flights", "image": "evil.test/x:1"},
    BASE | {"data": FILES | {"path": "/etc/*"}, "date-range": RANGES},
]


@pytest.mark.parametrize("spec", SWEEPS)
def test_a_sweep_in_a_store_of_the_administrator_goes_on_unchecked(tmp_path: Path, spec: dict[str, Any]) -> None:
    id = planned_sweep(tmp_path, **spec)
    environment_of_store = STRICT | {"SWEEP": id, "STORE": str(tmp_path)}
    for environment in (
        environment_of_store | {"HPT_STORES": str(tmp_path)},
        environment_of_store | {"HPT_STORE": str(tmp_path)},
    ):
        assert check(environment)[1].sweeps == id


@pytest.mark.parametrize("spec", SWEEPS)
def test_a_sweep_in_a_store_of_a_parameter_brings_no_code(tmp_path: Path, spec: dict[str, Any]) -> None:
    id = planned_sweep(tmp_path, **spec)
    parameters = {"SWEEP": id, "STORE": str(tmp_path), "HPT_STORES": ""}
    assert refusal(STRICT, **parameters).startswith(f"SWEEP: {id}")
    if "command" in spec or "image" in spec:
        check(ALLOWED | parameters)
    plain = planned_sweep(tmp_path / "plain", **BASE, data="flights")
    assert check(STRICT | parameters | {"SWEEP": plain, "STORE": str(tmp_path / "plain")})[1].sweeps == plain


# -- sweeps that change under a build


def sweep_of(store: Path, **spec: Any) -> Sweep:
    return Sweep(open_store(str(store)), planned_sweep(store, **spec))


def marks_of(spec: dict[str, Any], **changes: str) -> str:
    """HPT_CODE of a build that runs a committed spec."""
    Path("specs").mkdir(exist_ok=True)
    Path("specs/own.json").write_text(json.dumps(spec))
    return check(STRICT | {"SPEC": "specs/own.json", "HPT_STORES": ""} | changes)[1].code


def test_in_a_store_of_a_parameter_only_checked_code_and_images_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own_spec, plain = OWN | {"date-range": RANGES}, BASE | {"data": "flights"}
    imaged = own_spec | {"image": "registry.test/own:1"}
    optional = own_spec | {"command": ["true", {"if": "lr", "arguments": ["--lr"]}]}
    for name, spec in (("own", own_spec), ("plain", plain), ("imaged", imaged), ("optional", optional)):
        sweep = sweep_of(tmp_path / name, **spec)
        environment = {"HPT_CODE": marks_of(spec, STORE=str(tmp_path))}
        assert lines(sweep, environment)
        check_code(sweep.definition, (), environment)
    others = [own_spec | {"command": ["false"]}, own_spec | {"command": None, "trainer": "os:abort"}, imaged]
    others += [plain | {"image": "evil.test/x:1"}]
    for number, other in enumerate(others):
        changed = {key: value for key, value in other.items() if value is not None}
        sweep = sweep_of(tmp_path / str(number), **changed)
        for spec in (own_spec, plain):
            with pytest.raises(UserError, match="runs other code or another image than when the build began"):
                lines(sweep, {"HPT_CODE": marks_of(spec, STORE=str(tmp_path))})
        assert lines(sweep, {})


def lines(sweep: Sweep, environment: dict[str, str]) -> list[rounds.Line]:
    return rounds.plan([sweep], environment, retry=False).lines


def test_a_store_of_the_administrator_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert marks_of(OWN) == marks_of(OWN, STORE="/x", HPT_STORES="/x") == ""
    assert marks_of(OWN, STORE="/x", HPT_ALLOW_INLINE_CODE="1") == ""
    assert marks_of(BASE, STORE="/x") == "none"


def test_a_pack_with_another_image_than_its_sweep_is_refused(tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path, **BASE, data="flights")
    assert lines(sweep, {"HPT_CODE": "none"})
    (plan,) = tmp_path.glob("sweeps/*/plan/0.tsv")
    cells = [line.split("\t") for line in plan.read_text().splitlines()]
    plan.write_text("".join("\t".join([*each[:2], "evil.test/x:1", *each[3:]]) + "\n" for each in cells))
    with pytest.raises(UserError, match="another image"):
        lines(Sweep(open_store(str(tmp_path)), sweep.id), {"HPT_CODE": "none"})


def test_a_trial_refuses_code_that_its_build_did_not_check(tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path, **OWN | {"command": ["touch", "ran"], "date-range": RANGES})
    lines(sweep, {})
    command = [sys.executable, "-m", "pipeline.cli", "trial", sweep.id, "screen-e000-d0-s0", "--store", str(tmp_path)]
    environment = os.environ | {"HPT_CODE": "none"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    assert "runs other code" in done.stderr
    assert not (tmp_path / "ran").exists()


# -- claims


def claim_in(store: Path, **spec: Any) -> str:
    """The id of a new claim in a store that another person wrote."""
    content = claim_fixtures.claim_spec({"incumbent": {}, "objective": {"metric": "mse"}, "references": False} | spec)
    return claim_fixtures.claim_of(open_store(str(store)), content).id


def test_claims_are_judged_by_their_ids_or_all_that_are_due(tmp_path: Path) -> None:
    environment = STRICT | {"HPT_STORE": str(tmp_path), "STORE": str(tmp_path)}
    id = claim_in(tmp_path, **BASE, data=FILES)
    for text, argument in (("due", "--due"), (id, id), (id[-5:], id[-5:])):
        specs, settings = check(environment | {"JUDGE": text, "SPEC": "specs/quickstart.json"})
        assert (specs, settings.judge, settings.sweeps) == ({}, argument, "")
    assert 'holds no claim "nope"' in refusal(environment, JUDGE="nope")


@pytest.mark.parametrize("text", ["--due", "due; rm", "../x", "$(touch ran)", "a b", "-x"])
def test_a_wrong_claim_id_is_refused(text: str) -> None:
    assert refusal(STRICT, JUDGE=text).startswith("JUDGE: ")


@pytest.mark.parametrize("name", ["SPEC_JSON", "ARCHITECTURE", "DATA", "EXPERIMENTS", "BUDGET", "NOTES"])
def test_parameters_of_new_sweeps_are_refused_with_a_claim(name: str) -> None:
    assert f"{name}: cannot change how a claim is judged" in refusal(STRICT, JUDGE="due", **{name: "1"})


def test_sweep_and_judge_exclude_each_other() -> None:
    assert "JUDGE: cannot change a sweep that exists" in refusal(STRICT, JUDGE="due", SWEEP="20260614-0210-cnn-3f9c")


def test_a_claim_in_a_store_of_a_parameter_reads_only_allowed_data(tmp_path: Path) -> None:
    environment = STRICT | {"STORE": str(tmp_path), "HPT_STORES": "", "JUDGE": "due"}
    id = claim_in(tmp_path, **BASE, data=FILES | {"path": "/etc/*"})
    assert f"JUDGE: {id}: data.path is outside of what the administrator allows" in refusal(environment)
    check(environment | {"HPT_STORES": str(tmp_path)})


def test_only_code_of_a_committed_spec_runs_for_a_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = tmp_path / "store"
    environment = STRICT | {"STORE": str(store), "HPT_STORES": "", "JUDGE": "due"}
    claim_in(store, **OWN)
    assert check(environment)[1].code == "none"
    code = marks_of(OWN, STORE=str(store))
    assert check(environment)[1].code == code != "none"
    judged = claims_of(open_store(str(store)))
    parameters = judging.Judge(judged[0].ranges[0].end, trains_here=False)
    sweep = judging.begin(open_store(str(store)), claims.read(open_store(str(store)), judged[0].id), parameters)
    assert sweep is not None
    assert lines(sweep, {"HPT_CODE": code})
    with pytest.raises(UserError, match="runs other code"):
        lines(sweep, {"HPT_CODE": "none"})


def test_a_note_of_a_claim_cannot_lead_to_another_sweep(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    id = claim_in(tmp_path, **BASE, data=FILES)
    claim = claims.read(store, id).claim
    evil = planned_sweep(tmp_path, **OWN | {"command": ["touch", "ran"], "date-range": RANGES})
    note = claims.JudgingNote(number=0, sweep=evil, ranges=claim.ranges[:1], as_of=claim.day, created="2024-07-01")
    claims.add_note(store, claim, note)
    with pytest.raises(UserError, match=f"{evil} is not the sweep that judges {id}"):
        judging.reopen(store, claims.read(store, id), judging.Judge(claim.ranges[0].end, trains_here=False))
