"""What a wheel holds, beyond what pyproject.toml says of it.

A wheel has the code under the public name: each module of `pipeline/` as one of `hpt`, its imports with it. A team's
folder called `pipeline`, in the current directory or installed beside ours, is then another package than ours, and both
can be imported in one process. `hpt.pth` makes `pipeline.load_model` work wherever no other `pipeline` is found.

`hpt/home/` is for machines without a checkout: what `docker/image` builds from, the shell parts of `bin/` and
`docker/`, and the jobs.
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
    """The source of a module of ours, as it stands in a wheel."""
    return _IMPORT.sub(lambda match: "hpt." if match[0].endswith(".") else "hpt", source)


class BuildWheel(build_py):
    """An editable installation leaves all as it is in the checkout."""

    def run(self) -> None:
        out = Path(self.build_lib)
        if not self.editable_mode:
            # What a build before this one left.
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
        # The trainer's image is built from no more than the code.
        if (HERE / "bin").is_dir():
            self._copy_home(out / "hpt/home")

    def _copy_home(self, home: Path) -> None:
        home.mkdir()
        for name in HOME:
            if (HERE / name).is_dir():
                shutil.copytree(HERE / name, home / name, ignore=shutil.ignore_patterns("__pycache__", "*.py[co]"))
            else:
                shutil.copy2(HERE / name, home / name)
        # These are of a team's environment, in place of those that make a checkout's.
        for script in (home / "bin/agent").iterdir():
            script.replace(home / "bin" / script.name)
        for name in NOT_FOR_A_TEAM:
            path = home / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    setup(cmdclass={"build_py": BuildWheel})
