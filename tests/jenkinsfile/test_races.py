"""The harness switches branches at every call, as a controller may, so that races lose counts in tests too."""

from pathlib import Path

import pytest

from tests.jenkinsfile.conftest import Controller

TWO_BRANCHES = """
import groovy.transform.Field

@Field Map batch = [done: 0]

pipeline {
    agent none
    stages {
        stage('Count') {
            steps { script {
                parallel one: { count(25) }, other: { count(25) }
                echo "counted ${batch.done}"
            } }
        }
    }
}

def count(int times) {
    for (int n = 0; n < times; n++) {
        ADD
        echo 'one more'
    }
}

int sizeOf(List packs) {
    return packs.size()
}
"""


@pytest.mark.parametrize(
    ("statement", "loses"),
    [("batch.done += sizeOf([1])", True), ("int size = sizeOf([1])\n        batch.done = batch.done + size", False)],
)
def test_a_call_inside_a_read_modify_write_loses_counts(
    fresh: Controller, tmp_path: Path, statement: str, loses: bool
) -> None:
    script = tmp_path / "two.groovy"
    script.write_text(TWO_BRANCHES.replace("ADD", statement))
    build = fresh.build(jenkinsfile=script)
    assert build.result == "SUCCESS", build.log
    assert ("counted 50" not in build.log) == loses
