"""What a Jenkins build publishes of a sweep, as files in a folder. Publishing them is the Jenkinsfile's work."""

import html
from collections.abc import Mapping
from pathlib import Path

from pipeline.conclude import conclude
from pipeline.errors import UserError
from pipeline.merge import Merged, merge
from pipeline.report.junit import junit
from pipeline.sweep import Sweep


def publish(sweep: Sweep, folder: Path, environment: Mapping[str, str]) -> Merged:
    """Merges and renders; writes results.csv, report/, junit.xml and description.txt into `folder`."""
    merged = merge(sweep)
    summary = conclude(sweep, merged)
    try:
        _copy(sweep, "results.csv", folder)
        for entry in sweep.store.entries(sweep.key("report/")):
            _copy(sweep, entry.key.removeprefix(sweep.prefix), folder)
        (folder / "junit.xml").write_bytes(junit(sweep.definition, sweep.planned(), merged.rows))
        (folder / "description.txt").write_text(description(summary.answer, sweep.id, environment), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}") from None
    return merged


def description(answer: str, sweep: str, environment: Mapping[str, str]) -> str:
    """HTML, because a description is shown as such where a link in it shall be one."""
    address = environment.get("BUILD_URL", "")
    link = f'<a href="{html.escape(address)}Summary/">Summary</a>' if address else ""
    return "<br>\n".join(filter(None, (html.escape(answer), link, sweep))) + "\n"


def _copy(sweep: Sweep, name: str, folder: Path) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep.store.download(sweep.key(name), path)
