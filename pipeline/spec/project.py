"""`hpt.toml`: defaults of a project, so that not every spec must repeat them.

The nearest file counts, in the current directory or above it. `data` has the form of a spec's `data`; `tracking` names
an MLflow server.
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
# Not a path: a URI with a scheme, or the profile of a vendor's client.
_TRACKING_URI = re.compile(r"[a-z][a-z0-9+.-]+:|databricks")


class Tracking(Frozen):
    """MLflow, which gets each row as a run."""

    mlflow: Annotated[str, Field(min_length=1)]
    """A tracking URI, as MLflow's client takes it."""
    experiment: Annotated[str | None, Field(min_length=1)] = None
    """MLflow's experiment; None: named after architecture and target."""


class Project(Frozen):
    """The content of `hpt.toml`."""

    data: DataSource | None = None
    store: Annotated[str | None, Field(min_length=1)] = None
    hpt: Annotated[str | None, Field(min_length=1)] = None
    """Requirement that agents install with pip; it pins a version, like `hpt==0.1.0`."""
    tracking: Tracking | None = None


def load(start: Path | None = None) -> Project:
    """The nearest `hpt.toml` in `start` (the current directory) or above it; an empty project if there is none.

    The store becomes absolute. The path of the data stays relative, so that a sweep means the same in every checkout.
    Raises UserError, a line per mistake, if the file cannot be read.
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
    changes: dict[str, object] = {"store": project.store and places.resolved_in(path.parent, project.store)}
    if (tracking := project.tracking) and not _TRACKING_URI.match(tracking.mlflow):
        changes["tracking"] = tracking.model_copy(update={"mlflow": places.resolved_in(path.parent, tracking.mlflow)})
    return project.model_copy(update=changes)


def store_root(option: str | None, spec: str | None = None) -> str:
    """The store of sweeps: `--store`, else HPT_STORE, else the spec's, else the project's, else `hpt-store`.

    `--store` and HPT_STORE are relative to the current directory; paths in files are relative to the project's folder.
    """
    if typed := option or os.environ.get("HPT_STORE", "").strip():
        return places.canonical(typed)
    written = spec or load().store or DEFAULT_STORE
    folder = places.project_folder()
    return places.canonical(written) if folder == Path.cwd() else places.resolved_in(folder, written)
