"""Rules for the Jenkinsfile's text: no value becomes code, and a sandboxed controller refuses nothing."""

import re

import pytest

from tests.jenkinsfile.conftest import ROOT

# Without comments, which are no code.
TEXT = re.sub(r"^\s*(//.*|/\*\*.*)$|  // .*$", "", (ROOT / "Jenkinsfile").read_text(), flags=re.MULTILINE)
FUNCTIONS = TEXT[TEXT.index("\n}\n") :]


def test_every_shell_script_is_one_single_quoted_literal() -> None:
    literal = r"'''[^']*?'''|'(?:[^'\\\n]|\\.)*'"
    calls = re.findall(r"\bsh\b\s*(.{0,4})", TEXT)
    plain = re.findall(rf"\bsh (?:{literal})(?=\n)", TEXT)
    with_options = re.findall(rf"\bsh\((?:returnStatus|returnStdout): true,\s*script: (?:{literal})\)", TEXT)
    assert len(calls) == len(plain) + len(with_options) > 8
    assert "+ env." not in TEXT


@pytest.mark.parametrize("name", re.findall(r"(?:string|text|choice|booleanParam)\(name: '(\w+)'", TEXT))
def test_a_parameter_is_read_only_where_it_is_bound_to_the_environment(name: str) -> None:
    assert f'        {name} = "${{params.{name}}}"\n' in TEXT
    assert "params" not in FUNCTIONS


def test_every_parameter_has_a_description() -> None:
    assert len(re.findall(r"\(name: '\w+', ", TEXT)) == len(
        re.findall(r"^ +description: '.{20,}'\)$", TEXT, re.MULTILINE)
    )


CLOSURES = [".each", ".collect", ".find", ".sort"]
REFUSED = ["JsonSlurper", "JsonOutput", "getRawBuild", "Jenkins.", "@NonCPS", "readJSON", "eval("]


@pytest.mark.parametrize("word", [*CLOSURES, *REFUSED])
def test_nothing_is_used_that_the_sandbox_refuses_or_that_breaks_a_resumed_build(word: str) -> None:
    assert word not in TEXT


def test_no_closure_assigns_to_a_field() -> None:
    """Such an assignment makes a variable of the binding, while functions go on reading the field."""
    assert re.findall(r"@Field \w+ (\w+)", TEXT) == ["batch"]
    assert not re.search(r"^\s*batch = ", TEXT, re.MULTILINE)


def test_shared_state_is_changed_in_one_statement_without_a_call_of_a_function_of_the_script() -> None:
    """Branches switch at such a call: another one could write between its read and its write."""
    functions = re.findall(r"^\w+ (\w+)\(", FUNCTIONS, re.MULTILINE)
    changes = re.findall(r"batch\.(\w+)(?:\[[^\]]*\])? = (.*)", FUNCTIONS)
    reading = [value for name, value in changes if f"batch.{name}" in value]
    assert len(reading) == 3
    assert not [value for value in reading if "(" in value]
    assert not re.search(r"batch[.\w]* [-+*/]=|\+\+;? *$", FUNCTIONS.replace("i++", "").replace("n++", ""))
    for call in re.findall(r"batch\.\w+\.(?:add|remove|put)\((.*)\)$", FUNCTIONS, re.MULTILINE):
        assert not [name for name in functions if f"{name}(" in call], call


def test_functions_are_short() -> None:
    bodies = re.findall(r"^[\w ]+ (\w+)\([^)]*\) \{\n(.*?)^\}", FUNCTIONS, re.MULTILINE | re.DOTALL)
    assert len(bodies) > 15
    assert {name: body.count("\n") for name, body in bodies if body.count("\n") > 25} == {}


def test_no_error_is_caught_that_could_be_an_abort() -> None:
    assert TEXT.count("catchError(") == TEXT.count("catchInterruptions: false") == 1
    assert re.findall(r"catch \((\w+)", TEXT) == ["NoSuchMethodError"]
