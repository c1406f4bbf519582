"""The page of several sweeps side by side: what `hpt compare` says, with a link to each sweep's own report.

It compares nothing itself; that is for `sweeps.py` to do.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.analysis import spending
from pipeline.compare.sweeps import Comparison
from pipeline.report.state import State
from pipeline.report.templating import asset, environment


def page(comparison: Comparison, answers: Mapping[str, str]) -> str:
    """The page as text; `answers` says what each sweep comes to, and its report lies in a folder of its id."""
    return (
        environment()
        .get_template("compared.html")
        .render(
            comparison=comparison,
            sweeps=[_sweep(state, answers[state.sweep.id]) for state in comparison.states],
            objective=comparison.states[0].sweep.definition.objective,
        )
    )


def write(comparison: Comparison, answers: Mapping[str, str], folder: Path) -> None:
    """Writes index.html and its style sheet."""
    (folder / "index.html").write_text(page(comparison, answers), encoding="utf-8", errors="xmlcharrefreplace")
    (folder / "style.css").write_text(asset("style.css"), encoding="utf-8")


def _sweep(state: State, answer: str) -> dict[str, Any]:
    best = state.best
    return {
        "id": state.sweep.id,
        "architecture": state.sweep.definition.architecture,
        "state": state.words,
        "score": best.score if best else None,
        "trials": state.counts[0],
        "seconds": spending.device_seconds(state.rows),
        "answer": answer,
    }
