"""Texts that are not JSON: one line gives the reason and the place."""

import pytest

from pipeline import spec
from pipeline.errors import UserError


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"a": 1,}', "a comma before }: leave it out at line 1, column 8"),
        ('{\n "a": [1, 2,\n ],\n "b": 1\n}', "a comma before ]: leave it out at line 2, column 12"),
        ('{"a": 1 // why\n}', "JSON has no comments: leave this one out (`notes` is for text) at line 1, column 9"),
        ('{# why\n"a": 1}', "JSON has no comments: leave this one out (`notes` is for text) at line 1, column 2"),
        ('/* why */ {"a": 1}', "JSON has no comments"),
        ("architecture: lstm\nparameters:\n  dropout: [0.1]\n", "this looks like YAML, and a spec is JSON"),
        ("---\narchitecture: lstm\n", "this looks like YAML"),
        ("# why\narchitecture: lstm\n", "this looks like YAML"),
        ('architecture = "lstm"\n', "this looks like TOML"),
        ("[training]\nmax-epochs = 3\n", "this looks like TOML"),
        ("{'a': 1}", "text needs straight double quotes, \", not ' at line 1, column 2"),
        ("{“a”: 1}", 'text needs straight double quotes, ", not “'),
        ('{"a": None}', "JSON writes None as null at line 1, column 7"),
        ('{"a": [True]}', "JSON writes True as true"),
        ("{a: 1}", 'keys need double quotes, "a", at line 1, column 2'),
        ('{"a": .5}', "JSON has no such number: write 0.5, 1000 or 1e-3"),
        ('{"a": 1_000}', "JSON has no such number"),
        ('{"a": 007}', "JSON has no such number"),
        ('{"a": 0,5}', "a number after a comma: decimals have a point, 0.5"),
        ('{"a": 1 "b": 2}', "a comma is missing at line 1, column 9"),
        ('{"a": {"b": 1}', "the text ends too early: a } or ] or a quote is missing"),
        ('{"a": 1} {"b": 2}', "there is more text after the end of the JSON at line 1, column 10"),
        ("", "the file is empty"),
        ("\n \n", "the file is empty"),
        ('{"a": ' + "[" * 50 + "]" * 50 + "}", "lists and objects are nested more than 40 levels deep"),
        ('{"a": ' + "1" * 5000 + "}", "not JSON: "),
    ],
)
def test_a_text_that_is_not_json_gets_the_reason_and_the_place(text, line):
    with pytest.raises(UserError) as caught:
        spec.from_json(text, "s")
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_saved_as_utf16_is_read(tmp_path):
    path = tmp_path / "s.json"
    for encoding in ("utf-16", "utf-8-sig"):
        path.write_text(
            '{"architecture": "cnn", "parameters": {"dropout": [0.1]}, "notes": "größe"}', encoding=encoding
        )
        assert spec.read(path).notes == "größe"


def test_a_file_in_latin1_gets_advice_how_to_save_it(tmp_path):
    path = tmp_path / "s.json"
    path.write_bytes('{"notes": "größe"}'.encode("latin-1"))
    with pytest.raises(UserError, match="cannot be read: byte 13 is not UTF-8: save the file as UTF-8"):
        spec.read(path)
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        spec.read(tmp_path)
