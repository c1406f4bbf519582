"""A fake controller per test, a spec, and a view that records its notes and lines."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipeline.jenkins.follow import Patience
from pipeline.jenkins.trigger import Outcome, parameters_for, trigger
from tests.support import jenkins as fakes

QUICK = Patience(poll=0.01, outage=5, start=0.2)


@dataclass
class RecordedView:
    notes: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.notes.append(text)

    def log(self, lines: list[str]) -> None:
        self.lines += lines


@pytest.fixture
def jenkins(monkeypatch: pytest.MonkeyPatch) -> Iterator[fakes.Fake]:
    with fakes.controller() as fake:
        for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(proxy, raising=False)
        monkeypatch.delenv("JENKINS_JOB", raising=False)
        monkeypatch.setenv("JENKINS_URL", fake.url)
        monkeypatch.setenv("JENKINS_USER", fakes.USER)
        monkeypatch.setenv("JENKINS_TOKEN", fakes.TOKEN)
        yield fake


@pytest.fixture
def view() -> RecordedView:
    return RecordedView()


@pytest.fixture
def spec_file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.json"
    path.write_text(
        json.dumps({"architecture": "bag-of-words", "parameters": {"learning_rate": [0.01, 0.1]}}, indent=2)
    )
    return path


@pytest.fixture
def trigger_build(jenkins: fakes.Fake, view: RecordedView, spec_file: Path) -> Callable[..., Outcome]:
    """Triggers with little patience."""

    def call(
        *settings: str,
        spec: Path | None = spec_file,
        architecture: str | None = None,
        budget: tuple[str, ...] = (),
        patience: Patience = QUICK,
        **options: Any,
    ) -> Outcome:
        parameters = parameters_for(spec, architecture, budget, settings, view)
        return trigger(parameters, view, patience=patience, **options)

    return call
