"""Builds the wheel: the parts that pyproject.toml cannot describe.

A wheel has the code under the public name: each module of `pipeline/` becomes one of `hpt`, and its imports are
rewritten. A team's package called `pipeline` can then be imported in the same process. `hpt.pth` makes
`pipeline.load_model` work where there is no other `pipeline`.

`hpt/home/` is for machines without a checkout. It holds the sources from which `docker/image` builds, the scripts of
`bin/` and `docker/`, and the jobs.
"""

import re
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
HOME = ("pyproject.toml", "constraints.txt", "setup.py", "LICENSE", "bin", "docker", "jobs", "hpt", "pipeline")
NOT_FOR_A_TEAM = ("bin/agent", "bin/test", "docker/agent", "docker/controller", "docker/compose.yaml")
_IMPORT = re.compile(
    r"(?m)(?<![\w.])pipeline\.(?=[a-z_])|(?<=^from )pipeline(?= import )|(?<= from )pipeline(?= import )"
)


def renamed(source: str) -> str:
    """The source of a module with `pipeline` renamed to `hpt` in its imports and texts."""
    return _IMPORT.sub(lambda match: "hpt." if match[0].endswith(".") else "hpt", source)


class BuildWheel(build_py):
    """Renames the package in a wheel. An editable installation changes nothing."""

    def run(self) -> None:
        out = Path(self.build_lib)
        if not self.editable_mode:
            # A previous build may have left files.
            shutil.rmtree(out, ignore_errors=True)
        super().run()
        if self.editable_mode:
            return
        also = out / "hpt/also"
        also.replace(out / "also")
        shutil.rmtree(out / "hpt")
        (out / "pipeline").replace(out / "hpt")
        (out / "also").replace(also)
        for path in (out / "hpt").rglob("*.py"):
            if also not in path.parents:
                path.write_text(renamed(path.read_text(encoding="utf-8")), encoding="utf-8")
        (out / "hpt.pth").write_text("hpt/also\n", encoding="utf-8")
        # The trainer's image is built from the code alone, without `bin/`.
        if (HERE / "bin").is_dir():
            self._copy_home(out / "hpt/home")

    def _copy_home(self, home: Path) -> None:
        home.mkdir()
        for name in HOME:
            if (HERE / name).is_dir():
                shutil.copytree(HERE / name, home / name, ignore=shutil.ignore_patterns("__pycache__", "*.py[co]"))
            else:
                shutil.copy2(HERE / name, home / name)
        # The scripts of a team's environment replace those of a checkout.
        for script in (home / "bin/agent").iterdir():
            script.replace(home / "bin" / script.name)
        for name in NOT_FOR_A_TEAM:
            path = home / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    setup(cmdclass={"build_py": BuildWheel})
