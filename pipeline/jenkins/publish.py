"""Writes the files that a Jenkins build publishes about its sweeps. The Jenkinsfile publishes them."""

import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline import results
from pipeline.compare import claims, page
from pipeline.compare.front import conclude
from pipeline.compare.ranking import rank
from pipeline.errors import UserError
from pipeline.report.junit import junit
from pipeline.report.state import state_of
from pipeline.report.templating import asset
from pipeline.sweep import Sweep
from pipeline.sweep.merge import Merged, merge


def publish(sweeps: Sequence[Sweep], folder: Path) -> list[Merged]:
    """Merges and concludes the sweeps, and writes their files into `folder`.

    These are results.csv and report/, summary.zip with both, junit.xml and description.txt. For several sweeps,
    report/index.html is their comparison with a link to the page of each. Sweeps that judge claims cannot be compared,
    so the page lists the verdict of each. Raises UserError if `folder` cannot be written.
    """
    merged = [merge(sweep) for sweep in sweeps]
    summaries = [conclude(sweep, result) for sweep, result in zip(sweeps, merged, strict=True)]
    try:
        if len(sweeps) == 1:
            answer = summaries[0].answer
            _copy(sweeps[0], sweeps[0].results_key, folder / "results.csv")
            _copy_report(sweeps[0], folder / "report")
        elif all(sweep.definition.claim for sweep in sweeps):
            answer = _write_claims([summary.answer for summary in summaries], sweeps, folder / "report")
            (folder / "results.csv").write_bytes(_table(sweeps, merged))
        else:
            answers = {sweep.id: summary.answer for sweep, summary in zip(sweeps, summaries, strict=True)}
            answer = _write_comparison(sweeps, answers, folder / "report")
            (folder / "results.csv").write_bytes(_table(sweeps, merged))
        _pack(folder)
        suites = [
            junit(sweep.definition, sweep.planned(), result.rows) for sweep, result in zip(sweeps, merged, strict=True)
        ]
        (folder / "junit.xml").write_bytes(_one_suite(suites))
        ids = [sweep.id for sweep in sweeps]
        (folder / "description.txt").write_text(description(answer, ids), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}") from None
    return merged


_NO_MARKUP = str.maketrans(
    {
        "<": "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}",
        ">": "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
        "&": "\N{FULLWIDTH AMPERSAND}",
    }
)
"""Look-alikes: some formatters of Jenkins take the originals for markup, and others would show their escapes."""


def description(answer: str, sweeps: Sequence[str]) -> str:
    """The build's description: the answer, then the ids of the sweeps.

    It reads the same with every formatter of the controller; some of them ignore line ends.
    """
    end = "" if answer.endswith((".", "!", "?")) else "."
    ids = ("Sweep: " if len(sweeps) == 1 else "Sweeps: ") + " ".join(sweeps)
    return f"{answer}{end}\n{ids}\n".translate(_NO_MARKUP)


def _pack(folder: Path) -> None:
    """Packs table and report into summary.zip: one artifact to download instead of a file per chart."""
    files = [folder / "results.csv", *sorted(path for path in (folder / "report").rglob("*") if path.is_file())]
    with zipfile.ZipFile(folder / "summary.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, file.relative_to(folder))


def _write_comparison(sweeps: Sequence[Sweep], answers: Mapping[str, str], report: Path) -> str:
    """Writes the comparison and each sweep's report below it; returns the comparison's headline."""
    ranking = rank(map(state_of, sweeps))
    for sweep in sweeps:
        _copy_report(sweep, report / sweep.id)
    page.write(ranking, answers, report)
    return ranking.headline


def _write_claims(answers: Sequence[str], sweeps: Sequence[Sweep], report: Path) -> str:
    """Writes the page of judged claims and each sweep's report below it; returns the answers as one text."""
    for sweep in sweeps:
        _copy_report(sweep, report / sweep.id)
    (report / "index.html").write_text(
        claims.page([(sweep.id, answer) for sweep, answer in zip(sweeps, answers, strict=True)]),
        encoding="utf-8",
        errors="xmlcharrefreplace",
    )
    (report / "style.css").write_text(asset("style.css"), encoding="utf-8")
    return ". ".join(answers)


def _table(sweeps: Sequence[Sweep], merged: Sequence[Merged]) -> bytes:
    """The rows of all sweeps in one table. The columns `architecture` and `sweep` distinguish them."""
    rows = [row for result in merged for row in result.rows]
    names = dict.fromkeys(name for sweep in sweeps for name in sweep.definition.incumbent)
    return results.write_csv(rows, results.table_columns(rows, list(names)))


def _one_suite(suites: Sequence[bytes]) -> bytes:
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
