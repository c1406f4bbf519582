"""`hpt init` in a team's repository writes files and takes nothing away."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.adopt.declared import learning_rate_declaration
from pipeline.provenance import __version__
from tests.adopt.conftest import OF_SCRIPT, PRINTS
from tests.support import ROOT
from tests.support.in_process import Done, hpt
from tests.support.terminal import on_a_terminal

FILES = {
    "Jenkinsfile",
    "hpt.toml",
    "specs/first.json",
    "jobs/sweep.yaml",
    "jobs/nightly.yaml",
    "jobs/settings.yaml",
    "docker/Dockerfile",
    ".gitignore",
}


def files_of(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }


def test_it_writes_few_files_and_each_begins_with_its_purpose(adopted: Path) -> None:
    files = files_of(adopted)
    assert set(files) == FILES | {"train.py", "data/rows.csv"}
    for path in FILES:
        first = "".join(files[path].splitlines()[:2])
        assert first.startswith(("#", "//")) or '"notes"' in first, path


def check_that_it_runs(folder: Path) -> None:
    """Checks that the files in the folder fit, and that a trial of the first spec trains."""
    assert hpt("init", "--check", cwd=folder).out == "all fits\n"
    sweep, packs = hpt("plan", "specs/first.json", "--out", "packs.tsv", cwd=folder), folder / "packs.tsv"
    trial = next(line.split("\t")[-1] for line in packs.read_text().splitlines() if "reference" not in line)
    hpt("trial", sweep.out.strip(), trial.split(",")[0], cwd=folder)


def test_the_written_files_fit_and_the_first_spec_runs(own_copy: Path) -> None:
    assert "phase confirm" in hpt("validate", "specs/first.json", cwd=own_copy).out
    check_that_it_runs(own_copy)


def test_the_pinned_version_the_store_and_the_data_stand_in_hpt_toml(adopted: Path) -> None:
    project = tomllib.loads((adopted / "hpt.toml").read_text())
    assert project["hpt"] == f"hpt=={__version__}"
    assert project["store"] == "hpt-store"
    assert project["data"] == {"path": "data/rows.csv", "date": "day", "numeric": ["size"], "target": "value"}


def test_the_jenkinsfile_is_short_and_calls_the_library(adopted: Path) -> None:
    text = (adopted / "Jenkinsfile").read_text()
    assert "@Library('hpt') _\nhptSweep()\n" in text
    assert len(text.splitlines()) < 10


def test_without_a_library_the_jenkinsfile_is_the_whole_pipeline(repository: Path, init: Callable[..., Done]) -> None:
    init(*OF_SCRIPT, "--standalone")
    text = (repository / "Jenkinsfile").read_text()
    assert "@Library" not in text
    assert "pipeline {" in text
    # The option does not have to be repeated.
    assert "Jenkinsfile         as it was" in init().out.replace("Jenkinsfile        as", "Jenkinsfile         as")


def test_the_spec_has_the_script_with_its_defaults(adopted: Path) -> None:
    spec = json.loads((adopted / "specs/first.json").read_text())
    assert " ".join(word for word in spec["command"] if isinstance(word, str)) == (
        "{python} train.py --data data/rows.csv --from {start} --valid {valid_start} --test {test_start} --to {end} "
        "--save {folder}/model --lr {lr} --shrink {shrink} --epochs {max_epochs} --seed {seed}"
    )
    domain = {"low": 0.001, "high": 0.1, "log": True}
    rate = {"default": 0.01, "domain": domain, "phase": "learning-rate"}
    assert spec["hyperparameters"] == {"lr": rate, "shrink": 0.5}
    assert spec["training"] == {"max-epochs": 3}


@pytest.mark.parametrize("default", [float("nan"), float("inf"), 0.0, -0.1, 1, None])
def test_no_range_is_proposed_around_a_learning_rate_that_is_not_a_positive_real(default: float | None) -> None:
    assert learning_rate_declaration("lr", default) is None


def test_a_flag_is_tuned_if_a_person_names_it(repository: Path, init: Callable[..., Done]) -> None:
    init(*OF_SCRIPT, "--hyperparameter", "centred=false,true", "--hyperparameter", "lr=0.01,0.1")
    spec = json.loads((repository / "specs/first.json").read_text())
    assert {"if": "centred", "arguments": ["--centred"]} in spec["command"]
    assert spec["hyperparameters"]["centred"] == {"default": False, "domain": [False, True]}


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ((), "--data or --trainer is missing"),
        (("--trainer", "train.py"), "--data is missing: train.py reads it by --data"),
        (OF_SCRIPT[:4], "--prints is missing"),
        (("--trainer", "trian.py"), "there is no trian.py"),
        (("--trainer", "train"), "is no script (train.py) and no function"),
        (("--trainer", "train.py", "--command", "python train.py"), "name one of them"),
        ((*OF_SCRIPT, "--hyperparameter", "lr"), "has no name or no values"),
        ((*OF_SCRIPT, "--hyperparameter", "depth=1..3"), "--hyperparameter depth=1..3: has no default"),
        ((*OF_SCRIPT, "--hyperparameter", "lr=0.1..0.2:lgo"), '":lgo" is neither'),
        ((*OF_SCRIPT, "--hyperparameter", "lr=5..6"), "lr"),
        ((*OF_SCRIPT[:4], "--prints", "test"), "has no metric in braces"),
        (
            (*OF_SCRIPT[:4], "--prints", "epoch {epoch} loss {val_loss}", "--prints", "test {loss_test}"),
            "--prints: {epoch}, {val_loss}, {loss_test} should hold {X_valid}",
        ),
        ((*OF_SCRIPT[:4], "--prints", "test {mse_test}"), "--prints: {mse_test} should hold {X_valid}"),
        ((*OF_SCRIPT[:4], "--prints", "{a_valid} {b_test}"), "--prints: {a_valid}, {b_test} should hold"),
        (("--data", "data/rows.csv", "--prints", "test {mse_test}"), "--prints: is for a trainer of your own"),
        (("--data", "data/none.csv"), "no file matches"),
        (("--data", "data/rows.csv", "--target", "vlaue"), 'did you mean "value"?'),
        (("--data", "data/rows.csv", "--target", "day"), "day"),
        (("--command", "sh 'train.sh"), "No closing quotation"),
        (("--command", "sh train.sh --lr {lr}", *PRINTS), "what may lr be?"),
        ((*OF_SCRIPT[:4], "--prints", "e {epoch} {odd_valid} {odd_test}"), "objective.goal"),
    ],
)
def test_a_missing_or_wrong_option_is_a_line_and_nothing_is_written(
    repository: Path, init: Callable[..., Done], options: tuple[str, ...], line: str
) -> None:
    before = files_of(repository)
    done = init(*options)
    assert done.code == 2, done
    assert line in done.err
    assert "Traceback" not in done.err
    assert files_of(repository) == before


def test_a_script_that_takes_no_days_is_refused(repository: Path, init: Callable[..., Done]) -> None:
    argument = "p.add_argument('--lr', type=float, default=0.1)"
    (repository / "train.py").write_text(
        f"import argparse\np = argparse.ArgumentParser()\n{argument}\np.parse_args()\n"
    )
    assert "takes no days" in init("--trainer", "train.py", *PRINTS).err


def test_a_script_runs_no_further_than_its_arguments(repository: Path, init: Callable[..., Done]) -> None:
    text = (repository / "train.py").read_text()
    (repository / "train.py").write_text(
        text.replace("args = ", "try:\n    args = ").replace(
            "parse_args()\n", "parse_args()\nexcept BaseException:\n    pass\nopen('ran', 'w')\n"
        )
    )
    assert init(*OF_SCRIPT).code == 0
    assert not (repository / "ran").exists()


def test_dry_run_writes_nothing_and_git_applies_its_diff(
    repository: Path, adopted: Path, init: Callable[..., Done]
) -> None:
    before = files_of(repository)
    diff = init(*OF_SCRIPT, "--dry-run").out
    assert files_of(repository) == before
    subprocess.run(["git", "apply"], input=diff, text=True, cwd=repository, check=True)
    assert init().out.count("as it was") == 3
    unchanged = FILES - {"jobs/settings.yaml"}
    assert {path: files_of(repository)[path] for path in unchanged} == {
        path: files_of(adopted)[path] for path in unchanged
    }


def test_an_existing_file_stays_and_the_difference_is_shown(own_copy: Path) -> None:
    own_text = "// mine\n@Library('hpt') _\nhptSweep()"
    (own_copy / "Jenkinsfile").write_text(own_text)
    (own_copy / "jobs/settings.yaml").write_text("# mine\n")
    (own_copy / ".gitignore").write_text("*.pt")
    done = hpt("init", cwd=own_copy)
    assert (own_copy / "Jenkinsfile").read_text() == own_text
    assert (own_copy / "jobs/settings.yaml").read_text() == "# mine\n"
    assert (own_copy / ".gitignore").read_text().splitlines()[::3] == ["*.pt", "hpt-store/"]
    assert "Jenkinsfile        differs" in done.out
    assert "-// mine\n" in done.out
    assert "+hptSweep()\n" in done.out
    subprocess.run(["git", "apply"], input=done.out[done.out.index("--- a/") :], text=True, cwd=own_copy, check=True)
    assert "// mine" not in (own_copy / "Jenkinsfile").read_text()


def test_after_an_upgrade_it_shows_the_difference(own_copy: Path) -> None:
    toml = own_copy / "hpt.toml"
    toml.write_text(toml.read_text().replace(f"hpt=={__version__}", "hpt==0.0.1") + "# mine\n")
    assert "machines install hpt==0.0.1" in hpt("init", "--check", cwd=own_copy, code=1).err
    done = hpt("init", cwd=own_copy)
    assert f'-hpt = "hpt==0.0.1"\n+hpt = "hpt=={__version__}"\n' in done.out
    assert "hpt==0.0.1" in toml.read_text()
    subprocess.run(["git", "apply"], input=done.out[done.out.index("--- a/") :], text=True, cwd=own_copy, check=True)
    assert toml.read_text().endswith("# mine\n")
    hpt("init", "--check", cwd=own_copy)


def test_a_requirement_that_a_team_wrote_itself_stays(own_copy: Path) -> None:
    toml = own_copy / "hpt.toml"
    toml.write_text(toml.read_text().replace(f"hpt=={__version__}", "hpt @ git+https://git.example.com/hpt@1234"))
    assert "hpt.toml" not in hpt("init", cwd=own_copy).out
    hpt("init", "--check", cwd=own_copy)


def test_a_function_declares_its_hyperparameters(repository: Path, init: Callable[..., Done]) -> None:
    (repository / "mine.py").write_text(
        "from pydantic import BaseModel, Field\n\n\nclass Settings(BaseModel):\n"
        "    depth: int = Field(4, ge=1, le=12)\n\n\ndef train(settings: Settings, run):\n"
        "    assert open(run.data['path'])\n    return {'mse_valid': settings.depth, 'mse_test': settings.depth}\n"
    )
    assert init("--trainer", "mine:train", "--data", "data/rows.csv").code == 0
    spec = json.loads((repository / "specs/first.json").read_text())
    assert (spec["trainer"], spec["tune"], "hyperparameters" in spec) == ("mine:train", "automatic", False)
    check_that_it_runs(repository)


def test_a_function_without_bounds_needs_them_from_a_person(repository: Path, init: Callable[..., Done]) -> None:
    (repository / "mine.py").write_text("def train(settings, run):\n    return {}\n")
    assert "declare them in the spec" in init("--trainer", "mine:train").err
    assert init("--trainer", "mine:train", "--hyperparameter", "lr=0.01..1:log:default=0.1").code == 0
    spec = json.loads((repository / "specs/first.json").read_text())
    assert spec["hyperparameters"]["lr"]["default"] == 0.1
    assert spec["tune"] == "learning-rate"


def test_a_program_in_any_language_is_described_by_a_json_schema(repository: Path, init: Callable[..., Done]) -> None:
    (repository / "line.sh").write_text((ROOT / "examples/line.sh").read_text())
    (repository / "line.schema.json").write_text((ROOT / "examples/line.schema.json").read_text())
    done = init("--command", "sh line.sh data/rows.csv {shrink}", "--describe", "line.schema.json")
    assert done.code == 0, done
    assert "days of the data are not known" in done.err
    (repository / "specs/first.json").unlink()
    (repository / "hpt.toml").unlink()
    init("--command", "sh line.sh data/rows.csv {shrink}", "--describe", "line.schema.json", "--data", "data/rows.csv")
    spec = json.loads((repository / "specs/first.json").read_text())
    assert spec["describe"] == ["cat", "line.schema.json"]
    check_that_it_runs(repository)


def test_a_well_known_metric_needs_no_goal(repository: Path, init: Callable[..., Done]) -> None:
    init(*OF_SCRIPT[:4], "--prints", "epoch {epoch} valid {acc_valid}", "--prints", "epoch {epoch} test {acc_test}")
    spec = json.loads((repository / "specs/first.json").read_text())
    assert spec["objective"] == {"metric": "acc"}
    assert spec["metrics-pattern"].count("?P<epoch>") == 1


def test_paths_into_the_repository_become_relative(
    repository: Path, adopted: Path, tmp_path: Path, init: Callable[..., Done]
) -> None:
    # Like a $PWD that names a link to the repository.
    (link := tmp_path / "link").symlink_to(repository)
    options = ("--trainer", str(link / "train.py"), "--data", str(repository / "data/rows.csv"), *PRINTS)
    assert init(*options, "--store", str(repository / "hpt-store")).code == 0
    for path in ("hpt.toml", "specs/first.json"):
        assert (repository / path).read_text() == (adopted / path).read_text()


def test_paths_in_a_command_become_relative(repository: Path, init: Callable[..., Done]) -> None:
    command = f"sh {repository}/train.sh --data={repository}/data/rows.csv '{{lr}} x' {repository.parent}/else"
    wheel = ("--hpt", f"{repository}/vendor/hpt-1-py3-none-any.whl")
    done = init("--command", command, *PRINTS, "--hyperparameter", "lr=0.1..1:default=0.5", *wheel)
    assert tomllib.loads((repository / "hpt.toml").read_text())["hpt"] == "vendor/hpt-1-py3-none-any.whl"
    spec = json.loads((repository / "specs/first.json").read_text())
    assert spec["command"] == ["sh", "train.sh", "--data=data/rows.csv", "{lr} x", f"{repository.parent}/else"]
    assert f"warning: specs/first.json: command: {repository.parent}/else lies outside of the repository" in done.err


def test_json_of_other_tools_does_not_count_as_a_spec(repository: Path, init: Callable[..., Done]) -> None:
    (repository / "specs").mkdir()
    (repository / "specs/openapi.json").write_text('{"openapi": "3.1.0", "parameters": {}}')
    assert "--data or --trainer is missing" in init().err


def test_below_the_root_of_a_git_repository_it_warns(repository: Path) -> None:
    (folder := repository / "models/rides").mkdir(parents=True)
    output = hpt("init", "--check", cwd=folder, code=1).err
    assert "warning: this is models/rides/ of a git repository" in output
    assert "git repository" not in hpt("init", "--check", cwd=repository, code=1).err


def test_the_objective_is_the_metric_that_chooses_and_judges(repository: Path, init: Callable[..., Done]) -> None:
    init(*OF_SCRIPT[:4], "--prints", "valid {loss_valid} {acc_valid}", "--prints", "test {acc_test}")
    spec = json.loads((repository / "specs/first.json").read_text())
    assert spec["objective"] == {"metric": "acc"}


BIKES = "instant,dteday,season,hr,weekday,temp,windspeed,casual,registered,cnt"
NEWS = "id,title,num_points,num_comments,author,created_at,,,"


def test_a_common_table_becomes_a_sweep_of_a_built_in_architecture(tmp_path: Path) -> None:
    rows = [
        f"{24 * day + hour},{1 + day % 28:02}/{1 + day // 28 % 12:02}/{2011 + day // 336},{1 + day // 84 % 4},{hour},"
        f"{day % 7},{0.2 + day % 30 / 50},{hour % 5 / 10},{hour % 9},{day % 50 + hour},{hour % 9 + day % 50 + hour}"
        for day in range(672)
        for hour in range(0, 24, 6)
    ]
    (tmp_path / "bikes.csv").write_text("\n".join([BIKES, *rows]))
    options = ("--target", "cnt", "--leave-out", "casual", "--leave-out", "registered", "--store", "gs://team/tuning")
    done = hpt("init", "--data", "bikes.csv", *options, cwd=tmp_path)
    project = tomllib.loads((tmp_path / "hpt.toml").read_text())
    assert project["data"]["target"] == "cnt"
    assert not {"casual", "registered"} & {*project["data"]["numeric"], *project["data"]["categorical"]}
    spec = json.loads((tmp_path / "specs/first.json").read_text())
    assert (spec["architecture"], spec["as-of"]) == ("tabular", "2012-12-29")
    assert '"as-of" is 2012-12-29, as the data end' in done.err
    assert tomllib.loads((tmp_path / "hpt.toml").read_text())["store"] == "gs://team/tuning"
    assert "phase confirm" in hpt("validate", "specs/first.json", "--store", tmp_path / "here", cwd=tmp_path).out


def test_a_table_of_titles_becomes_a_sweep_of_bag_of_words(tmp_path: Path) -> None:
    rows = [
        f"{day},Word{day % 9} and word{day % 7} in a title,{1 + day % 40},{day % 60},u{day},{1 + day % 336 // 28}/"
        f"{1 + day % 28}/{2015 + day // 336} 11:{day % 60:02},,,"
        for day in range(672)
    ]
    (tmp_path / "news.csv").write_text("\n".join([NEWS, *rows]))
    hpt("init", "--data", "news.csv", "--target", "num_points", cwd=tmp_path)
    spec = json.loads((tmp_path / "specs/first.json").read_text())
    assert spec["architecture"] == "bag-of-words"
    assert tomllib.loads((tmp_path / "hpt.toml").read_text())["data"]["text"] == ["title"]
    check_that_it_runs(tmp_path)


def test_odd_names_of_columns_stay_intact_in_hpt_toml(tmp_path: Path) -> None:
    rows = [f"2024-{1 + day // 28:02}-{1 + day % 28:02},{day % 5}.5,{day % 9}.1,{day}.3" for day in range(300)]
    names = ['day "x"', "größe\\n", "a'b", "y"]
    quoted = ",".join('"' + name.replace('"', '""') + '"' for name in names)
    (tmp_path / "odd.csv").write_text("\n".join([quoted, *rows]))
    hpt("init", "--data", "odd.csv", cwd=tmp_path)
    data = tomllib.loads((tmp_path / "hpt.toml").read_text())["data"]
    assert [data["date"], *data["numeric"], data["target"]] == names


def test_on_a_terminal_it_asks_for_missing_answers(repository: Path) -> None:
    command = [sys.executable, "-m", "pipeline.cli", "init"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb"}
    typed = b"train.py\ndata/rows.csv\n\n\ngs://team/tuning\n"
    code, output = on_a_terminal(command, repository, environment, typed)
    assert code == 0, output.decode()
    assert tomllib.loads((repository / "hpt.toml").read_text())["store"] == "gs://team/tuning"
    pattern = json.loads((repository / "specs/first.json").read_text())["metrics-pattern"]
    assert pattern == r"epoch (?P<epoch>\S+) validation (?P<mse_valid>\S+)|test (?P<mse_test>\S+)"


def test_placeholders_are_never_taken_for_hyperparameters() -> None:
    from pipeline.adopt.script import PLACEHOLDERS
    from pipeline.training.own.placeholders import NAMES

    assert set(PLACEHOLDERS) == set(NAMES)
