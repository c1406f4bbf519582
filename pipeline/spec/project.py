"""`hpt.toml`: what a project need not say in every spec.

It is looked for in the current directory and those above it. Two keys: `data` (as in a spec) and `store`.
"""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic import Field

from pipeline.base import Frozen
from pipeline.data.source import DataSource, FilesSource
from pipeline.errors import UserError

DEFAULT_STORE = "hpt-store"


class Project(Frozen):
    """The content of `hpt.toml`."""

    data: DataSource | None = None
    store: Annotated[str | None, Field(min_length=1)] = None


def load(start: Path | None = None) -> Project:
    """The nearest `hpt.toml`, or an empty project. Raises UserError if it is not what it should be."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        path = folder / "hpt.toml"
        if path.is_file():
            return _read(path)
    return Project()


def _read(path: Path) -> Project:
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        project = Project.model_validate(content)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    except pydantic.ValidationError as error:
        lines = (f"{path}: {'.'.join(map(str, mistake['loc']))}: {mistake['msg']}" for mistake in error.errors())
        raise UserError("\n".join(lines)) from None
    # What the file names lies beside it, wherever below it a person stands.
    store, data = project.store, project.data
    if store and not store.startswith("gs://"):
        store = str(path.parent / store)
    if isinstance(data, FilesSource) and "://" not in data.path:
        data = data.model_copy(update={"path": str(path.parent / data.path)})
    return Project(store=store, data=data)


def store_root(option: str | None, spec: str | None = None) -> str:
    """Where sweeps live: `--store`, else HPT_STORE, else the spec's, else the project's, else `./hpt-store`."""
    return option or os.environ.get("HPT_STORE") or spec or load().store or DEFAULT_STORE
