"""A sweep as a JUnit report, which is what Jenkins shows as tests: one case per trial, failures with their message.

It says what ran and what failed. Which setting is best is the summary's business.
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Sequence

from pipeline.results import Row, Status, is_reference, to_cell
from pipeline.sweep import Definition, Trial


def junit(definition: Definition, planned: Iterable[Trial], rows: Sequence[Row]) -> bytes:
    """The report as XML. A planned trial without a row counts as skipped, and so does a reference that failed."""
    by_trial = {row["trial"]: row for row in rows}
    names = list(dict.fromkeys([*map(str, planned), *by_trial]))
    suite = ElementTree.Element("testsuite", name=definition.id, tests=str(len(names)))
    failures = without_result = 0
    for name in names:
        row = by_trial.get(name)
        case = ElementTree.SubElement(suite, "testcase", classname=_group(definition, name), name=name)
        if row is None:
            without_result += 1
            ElementTree.SubElement(case, "skipped", message="has not run")
            continue
        case.set("time", f"{row.get('training_time') or 0:.3f}")
        is_result = Status(row["status"]).is_result
        if not is_result and is_reference(row):
            # Jenkins would take a failure for one of the build.
            without_result += 1
            ElementTree.SubElement(case, "skipped", message=_clean(row.get("error") or row["status"]))
        elif not is_result:
            failures += 1
            message = _clean(row.get("error") or row["status"])
            ElementTree.SubElement(case, "failure", type=row["status"], message=message).text = message
        ElementTree.SubElement(case, "system-out").text = _clean(_words(row))
    suite.set("failures", str(failures))
    suite.set("skipped", str(without_result))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)


def _group(definition: Definition, trial: str) -> str:
    # Jenkins groups by what stands before the last dot, so a name's own dots must go.
    phase = Trial.parse(trial).phase
    return f"{definition.architecture.replace('.', '_')}.{phase}"


def _words(row: Row) -> str:
    return "\n".join(f"{name} = {to_cell(value)}" for name, value in row.items())


def _clean(text: str) -> str:
    """Without the characters that XML cannot hold, however they got into an error's message."""
    return "".join(letter if letter in "\t\n" or letter.isprintable() else "\ufffd" for letter in text)
