"""What a Jenkins build publishes of a sweep, as files in a folder. Publishing them is the Jenkinsfile's work."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.conclude import conclude
from pipeline.errors import UserError
from pipeline.merge import Merged, merge
from pipeline.report.junit import junit
from pipeline.sweep import Sweep, trials_of


def publish(sweep: Sweep, folder: Path, environment: Mapping[str, str]) -> Merged:
    """Merges and renders; writes results.csv, report/, junit.xml and description.txt into `folder`."""
    merged = merge(sweep)
    summary = conclude(sweep, merged)
    try:
        _copy(sweep, "results.csv", folder)
        for entry in sweep.store.entries(sweep.key("report/")):
            _copy(sweep, entry.key.removeprefix(sweep.prefix), folder)
        planned = [trial for number in range(sweep.rounds()) for trial in trials_of(sweep.round(number))]
        (folder / "junit.xml").write_bytes(junit(sweep.definition, planned, merged.rows))
        link = f"{build}Summary/" if (build := environment.get("BUILD_URL")) else ""
        lines = (summary.answer, link, sweep.id)
        (folder / "description.txt").write_text("\n".join(filter(None, lines)) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}") from None
    return merged


def _copy(sweep: Sweep, name: str, folder: Path) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep.store.download(sweep.key(name), path)
