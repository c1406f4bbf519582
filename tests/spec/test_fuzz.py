"""Any text and any JSON instead of a spec give a plan, or lines that name the mistakes; never a traceback."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import spec
from pipeline.errors import UserError
from pipeline.plan.resolve import resolve
from pipeline.screen.plan import plan_lines
from pipeline.sweep import Definition

NOW = datetime(2024, 6, 14, tzinfo=UTC)
OWN = {
    "command": ["sh", "t.sh", "{lr}", {"if": "amp", "arguments": ["--amp"]}],
    "hyperparameters": {
        "lr": 0.1,
        "amp": False,
        "clip": None,
        "depth": {"default": 3, "domain": {"low": 1, "high": 9}},
    },
    "parameters": {
        "lr": {"low": 0.01, "high": 1.0, "log": True},
        "clip": [None, 1.0],
        "depth": [1, 2],
        "amp": [True, False],
    },
    "metrics-pattern": r"(?P<epoch>\d+) (?P<auc_valid>\S+)",
    "objective": {"metric": "auc"},
    "date-range": [["2024-05-01", "2024-07-01"]],
    "constraints": [["depth", "<=", 2]],
    "search": {"strategy": "grid", "experiments": 5, "early-stopping": {"rule": "median"}},
    "budget": {"experiments": 9, "hours": 1.5},
    "confirm": {"ranges": 2},
    "training": {"max-epochs": 3},
}
BUILT_IN = {
    "architecture": "tabular",
    "data": "flights",
    "parameters": {"learning_rate": [0.1, 0.2], "batch_size": {"low": 1, "high": 99, "when": {"dropout": 0.1}}},
    "phases": [{"name": "screen", "search": {"strategy": "random"}}],
    "incumbent": {"dropout": 0.1},
    "mode": "short",
    "short": {"months": 2},
}
KEYS = sorted(
    {"epochs", "lr", "min", "max", "if", "arguments", "values", "low", "high", "step", "log", "when", "default", "a.b"}
    | OWN.keys() | BUILT_IN.keys() | OWN["hyperparameters"].keys() | {"domain", "limits", "strategy", "metric", "goal"}
)  # fmt: skip
WORDS = sorted(
    {"grid", "tpe", "sobol", "random", "automatic", "maximize", "flights", "", "{lr}", "{", "auc", "0.1", "null"}
)

texts = st.sampled_from(WORDS) | st.text(max_size=5)
numbers = st.integers() | st.floats() | st.sampled_from([0, 1, 10**9, 10**19, 10**400, -1, 0.5, 1e308, 5e-324])
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | texts, inner, max_size=4),
    max_leaves=8,
)


def places(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values in a JSON value."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [above, *(place for key in keys for place in places(value[key], (*above, key)))]


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """A spec with one to three random changes."""
    raw = json.loads(json.dumps(draw(st.sampled_from([OWN, BUILT_IN]))))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(places(raw)[1:] or [("notes",)]))
        parent = raw
        for step in place[:-1]:
            parent = parent[step]
        change = draw(st.sampled_from(["replace", "replace", "rename", "add", "drop"]))
        if change == "replace":
            parent[place[-1]] = draw(values)
        elif change == "drop":
            del parent[place[-1]]
        elif isinstance(parent, dict):
            value = parent.pop(place[-1]) if change == "rename" else draw(values)
            parent[draw(st.sampled_from(KEYS) | texts)] = value
    return raw


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("here"))


def check_planned_or_refused(text: str) -> None:
    try:
        parsed = spec.from_json(text, "s")
        if parsed.trainer is not None or parsed.describe is not None:
            return  # planning would run a program to ask for its hyperparameters
        definition = resolve(parsed, now=NOW, token="3f9c")
        lines = list(plan_lines(definition))
        assert Definition.model_validate_json(definition.model_dump_json(by_alias=True)) == definition
    except UserError as error:
        lines = str(error).splitlines()
        assert len(set(lines)) == len(lines)
    assert lines
    assert all(line.strip() and line.isprintable() and len(line) < 3000 for line in lines)


@given(mutated())
def test_a_mutated_spec_is_planned_or_refused(raw):
    check_planned_or_refused(json.dumps(raw))


@given(
    st.sampled_from([OWN, BUILT_IN]),
    st.integers(0, 800),
    st.integers(0, 3),
    st.text("{}[]\",:#/'\\ \n0.eN", max_size=3),
)
def test_a_mutated_text_is_planned_or_refused(raw, at, cut, put):
    text = json.dumps(raw, indent=1)
    check_planned_or_refused(text[:at] + put + text[at + cut :])


@given(st.text() | values.map(json.dumps))
def test_any_text_is_planned_or_refused(text):
    check_planned_or_refused(text)
