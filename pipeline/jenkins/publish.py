"""Writes the files that a Jenkins build publishes of its sweeps. Publishing them is the Jenkinsfile's work."""

import html
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline import results
from pipeline.compare import page
from pipeline.compare import sweeps as comparing
from pipeline.errors import UserError
from pipeline.report.conclude import conclude
from pipeline.report.junit import junit
from pipeline.report.state import state_of
from pipeline.sweep import Sweep
from pipeline.sweep.merge import Merged, merge


def publish(sweeps: Sequence[Sweep], folder: Path, environment: Mapping[str, str]) -> list[Merged]:
    """Merges and renders; writes results.csv, report/, junit.xml and description.txt into `folder`.

    Of several sweeps, report/index.html is their comparison, best first, and leads to each one's own page.
    """
    merged = [merge(sweep) for sweep in sweeps]
    summaries = [conclude(sweep, one) for sweep, one in zip(sweeps, merged, strict=True)]
    try:
        if len(sweeps) == 1:
            answer = summaries[0].answer
            _copy(sweeps[0], sweeps[0].results_key, folder / "results.csv")
            _copy_report(sweeps[0], folder / "report")
        else:
            answers = {sweep.id: summary.answer for sweep, summary in zip(sweeps, summaries, strict=True)}
            answer = _compare(sweeps, answers, folder / "report")
            (folder / "results.csv").write_bytes(_table(sweeps, merged))
        cases = [junit(sweep.definition, sweep.planned(), one.rows) for sweep, one in zip(sweeps, merged, strict=True)]
        (folder / "junit.xml").write_bytes(_together(cases))
        ids = [sweep.id for sweep in sweeps]
        (folder / "description.txt").write_text(description(answer, ids, environment), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}") from None
    return merged


def description(answer: str, sweeps: Sequence[str], environment: Mapping[str, str]) -> str:
    """The build's description: the answer, a link to the summary, the ids of the sweeps. HTML, for the link's sake."""
    address = environment.get("BUILD_URL", "")
    link = f'<a href="{html.escape(address)}Summary/">Summary</a>' if address else ""
    return "<br>\n".join(filter(None, (html.escape(answer), link, " ".join(sweeps)))) + "\n"


def _compare(sweeps: Sequence[Sweep], answers: Mapping[str, str], report: Path) -> str:
    """Writes the comparison and each sweep's report below it; returns the comparison's sentence."""
    comparison = comparing.compare(comparing.best_first(map(state_of, sweeps)))
    for sweep in sweeps:
        _copy_report(sweep, report / sweep.id)
    page.write(comparison, answers, report)
    return comparison.sentence


def _table(sweeps: Sequence[Sweep], merged: Sequence[Merged]) -> bytes:
    """The rows of all sweeps in one table; their columns `architecture` and `sweep` tell them apart."""
    rows = [row for one in merged for row in one.rows]
    names = dict.fromkeys(name for sweep in sweeps for name in sweep.definition.incumbent)
    return results.write_csv(rows, results.table_columns(rows, list(names)))


def _together(suites: Sequence[bytes]) -> bytes:
    if len(suites) == 1:
        return suites[0]
    root = ElementTree.Element("testsuites")
    root.extend(ElementTree.fromstring(suite) for suite in suites)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def _copy_report(sweep: Sweep, report: Path) -> None:
    for name, key in sweep.report_files().items():
        _copy(sweep, key, report / name)


def _copy(sweep: Sweep, key: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep.store.download(key, path)
