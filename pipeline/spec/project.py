"""`hpt.toml`: defaults of a project, so that not every spec must repeat them.

The nearest one counts, in the current directory or above it. `data` is as in a spec; `tracking` says who else is told.
"""

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic import Field

from pipeline import places
from pipeline.base import Frozen
from pipeline.data.source import DataSource
from pipeline.errors import UserError

DEFAULT_STORE = "hpt-store"
# Neither is a path: a scheme, or the profile of a vendor's client.
_TRACKING_URI = re.compile(r"[a-z][a-z0-9+.-]+:|databricks")


class Tracking(Frozen):
    """Where else rows are to be found: as runs in MLflow."""

    mlflow: Annotated[str, Field(min_length=1)]
    """A tracking URI, as MLflow's client takes it."""
    experiment: Annotated[str | None, Field(min_length=1)] = None
    """MLflow's experiment; None: it is called after architecture and target."""


class Project(Frozen):
    """The content of `hpt.toml`."""

    data: DataSource | None = None
    store: Annotated[str | None, Field(min_length=1)] = None
    hpt: Annotated[str | None, Field(min_length=1)] = None
    """What agents install: a requirement of pip that pins a version."""
    tracking: Tracking | None = None


def load(start: Path | None = None) -> Project:
    """The nearest `hpt.toml` in `start` (the current directory) or above it; an empty project if there is none.

    Its store is absolute; the path of its data stays relative, for a sweep is to mean the same in every checkout.
    Raises UserError, a line per mistake, if it cannot be read.
    """
    path = places.project_file(start)
    return _read(path) if path else Project()


def _read(path: Path) -> Project:
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        project = Project.model_validate(content)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    except pydantic.ValidationError as error:
        lines = (f"{path}: {'.'.join(map(str, mistake['loc']))}: {mistake['msg']}" for mistake in error.errors())
        raise UserError("\n".join(lines)) from None
    changes: dict[str, object] = {"store": project.store and places.below(path.parent, project.store)}
    if (tracking := project.tracking) and not _TRACKING_URI.match(tracking.mlflow):
        changes["tracking"] = tracking.model_copy(update={"mlflow": places.below(path.parent, tracking.mlflow)})
    return project.model_copy(update=changes)


def store_root(option: str | None, spec: str | None = None) -> str:
    """Where sweeps live: `--store`, else HPT_STORE, else the spec's, else the project's, else `hpt-store`.

    What a person types is relative to the current directory, what a file says to the project's folder.
    """
    if typed := option or os.environ.get("HPT_STORE", "").strip():
        return places.canonical(typed)
    written = spec or load().store or DEFAULT_STORE
    folder = places.project_folder()
    return places.canonical(written) if folder == Path.cwd() else places.below(folder, written)
