"""A sweep as a JUnit report, which Jenkins shows as tests: one case per trial, failures with their message.

It reports runs and failures, not the best setting.
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Sequence

from pipeline.results import Row, Status, is_reference, to_cell
from pipeline.sweep import Definition, Trial


def junit(definition: Definition, planned: Iterable[Trial], rows: Sequence[Row]) -> bytes:
    """The report as XML. Planned trials without a row, and references that failed, count as skipped."""
    by_trial = {row["trial"]: row for row in rows}
    names = list(dict.fromkeys([*map(str, planned), *by_trial]))
    suite = ElementTree.Element("testsuite", name=definition.id, tests=str(len(names)))
    failures = skipped = 0
    for name in names:
        row = by_trial.get(name)
        case = ElementTree.SubElement(suite, "testcase", classname=_group(definition, name), name=name)
        if row is None:
            skipped += 1
            ElementTree.SubElement(case, "skipped", message="has not run")
            continue
        case.set("time", f"{row.get('training_time') or 0:.3f}")
        is_result = Status(row["status"]).is_result
        if not is_result and is_reference(row):
            # As a failure it would mark the whole build.
            skipped += 1
            ElementTree.SubElement(case, "skipped", message=_clean(row.get("error") or row["status"]))
        elif not is_result:
            failures += 1
            message = _clean(row.get("error") or row["status"])
            ElementTree.SubElement(case, "failure", type=row["status"], message=message).text = message
        ElementTree.SubElement(case, "system-out").text = _clean(_words(row))
    suite.set("failures", str(failures))
    suite.set("skipped", str(skipped))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)


def _group(definition: Definition, trial: str) -> str:
    # Jenkins groups cases by the text before the last dot, so dots inside a name must go.
    phase = Trial.parse(trial).phase
    return f"{definition.architecture.replace('.', '_')}.{phase}"


def _words(row: Row) -> str:
    return "\n".join(f"{name} = {to_cell(value)}" for name, value in row.items())


def _clean(text: str) -> str:
    """Text without characters that XML cannot hold, which an error's message may contain."""
    return "".join(letter if letter in "\t\n" or letter.isprintable() else "\ufffd" for letter in text)
