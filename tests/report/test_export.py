import csv
import io
import math
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
from markdown_it import MarkdownIt

from pipeline.errors import UserError
from pipeline.report import export as exporting
from pipeline.report.export import export
from pipeline.sweep.merge import merge
from tests.support.nights import judged_on, night, steady

HOSTILE = [
    "a|b`c``d\n| e |\\| f",
    "<script>alert(1)</script>",
    "\u202etxt.exe",
    "x" * 10_000,
    "🚀 é 漢",
    "lone \ud800 surrogate",
    "[click](javascript:alert(1)) **bold** @everyone #1 https://example.com",
    "``",
    " ",
    "\x00\x07",
]
FORMULAS = ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"]


@pytest.fixture
def done(store, tiny_spec):
    return night(store, judged_on(tiny_spec), steady(best=0.1), score_text="1", mixed=1.5)


def exported(state, tmp_path: Path, name: str, **options) -> bytes:
    path = tmp_path / name
    export(state, path, **options)
    return path.read_bytes()


def table(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def rendered(markdown: str) -> str:
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)


# -- for spreadsheets


@pytest.mark.parametrize("text", FORMULAS)
def test_text_that_looks_like_a_formula_gets_a_quote(store, tiny_spec, tmp_path, text):
    state = night(store, tiny_spec, status="failed", error=text)
    assert {row["error"] for row in table(exported(state, tmp_path, "out.csv"))} == {f"'{text}"}


def test_numbers_stay_numbers(store, tiny_spec, tmp_path):
    state = night(store, tiny_spec, extra=-1.5, whole=-3, yes=True)
    (first, *_) = table(exported(state, tmp_path, "out.csv"))
    assert (first["extra"], first["whole"], first["yes"], first["learning_rate"]) == ("-1.5", "-3", "true", "0.001")


def test_a_column_that_looks_like_a_formula_gets_a_quote_too(store, tiny_spec, tmp_path):
    state = night(store, tiny_spec, **{"=cmd": 1})
    assert "'=cmd" in table(exported(state, tmp_path, "out.csv"))[0]


def test_infinity_is_text_that_is_no_formula(store, tiny_spec, tmp_path):
    state = night(store, tiny_spec, extra=-math.inf)
    assert table(exported(state, tmp_path, "out.csv"))[0]["extra"] == "'-Infinity"


def test_the_stores_own_results_csv_stays_as_it_is(store, tiny_spec, tmp_path):
    state = night(store, tiny_spec, status="failed", error="=1+1")
    merge(state.sweep)
    before = store.read(state.sweep.key("results.csv"))
    exported(state, tmp_path, "out.csv")
    assert store.read(state.sweep.key("results.csv")) == before
    assert b",=1+1," in before


def test_only_the_best_are_written_where_asked(done, tmp_path):
    rows = table(exported(done, tmp_path, "out.csv", best=1))
    assert {row["experiment"] for row in rows} == {"e001"}


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("suffix", ["csv", "parquet", "md", "xml"])
def test_hostile_values_can_be_exported(store, tiny_spec, tmp_path, text, suffix):
    state = night(store, tiny_spec, learning_rate=text, error=text)
    assert exported(state, tmp_path, f"out.{suffix}")


# -- for data frames


def test_parquet_keeps_types(done, tmp_path):
    content = parquet.read_table(io.BytesIO(exported(done, tmp_path, "out.parquet")))
    types = {field.name: str(field.type) for field in content.schema}
    assert types["batch_size"] == types["epochs"] == "int64"
    assert types["learning_rate"] == types["mse_test"] == types["mixed"] == "double"
    assert types["experiment"] == types["error"] == types["score_text"] == "string"
    assert types["date-range-start"] == "timestamp[us]"
    assert types["started"] == "timestamp[us, tz=UTC]"
    first = content.to_pylist()[0]
    assert first["date-range"] == '["2013-01-01", "2013-02-01"]'
    assert first["date-range-end"] == datetime(2013, 2, 1)
    assert first["finished"] == datetime(2024, 6, 1, 2, 11, tzinfo=UTC)
    assert content.num_rows == len(done.rows)


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, None, 2], "int64", [1, None, 2]),
        ([1, 0.5, None], "double", [1.0, 0.5, None]),
        ([True, False], "bool", [True, False]),
        ([1, "1", True, None], "string", ["1", '"1"', "true", None]),
        ([[1, 2], [3]], "string", ["[1, 2]", "[3]"]),
        ([2**63, 1], "string", ["9223372036854775808", "1"]),
        ([None, None], "string", [None, None]),
        (["\ud800", "b"], "string", ["?", "b"]),
    ],
)
def test_a_column_has_the_type_of_its_values(values, kind, expected):
    array = exporting._typed(values)
    assert str(array.type) == kind
    assert array.to_pylist() == expected


def test_times_that_are_none_are_kept_as_text(store, tiny_spec, tmp_path):
    state = night(store, tiny_spec, started="yesterday")
    content = parquet.read_table(io.BytesIO(exported(state, tmp_path, "out.parquet")))
    assert content.to_pylist()[0]["started"] == "yesterday"


# -- for a chat or a pull request


def test_markdown_says_the_answer_the_verdict_and_the_best_settings(done, tmp_path):
    text = exported(done, tmp_path, "out.md").decode()
    assert text.startswith("**e001 is the best setting")
    assert "- e001: " in text
    assert "| e000 (your setting) | `0.001` | 0.4 | 1 | " in text
    assert "report/index.html" in text
    assert rendered(text).count("<tr>") == 4


def test_the_table_is_as_long_as_asked(done, tmp_path):
    assert rendered(exported(done, tmp_path, "out.md", best=1).decode()).count("<tr>") == 2


def test_a_sweep_without_a_best_setting_has_no_table(store, tiny_spec, tmp_path):
    state = night(store, tiny_spec, status="failed", error="boom")
    text = exported(state, tmp_path, "out.md").decode()
    assert "there is no best setting" in text
    assert "<table>" not in rendered(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_values_are_text_in_markdown(store, tiny_spec, tmp_path, text):
    state = night(store, tiny_spec, learning_rate=text)
    page = rendered(exported(state, tmp_path, "out.md").decode())
    assert page.count("<tr>") == 1 + len(state.ranked)
    assert page.count("<td") == 5 * len(state.ranked)
    for markup in ("<script", "<a ", "<strong>bold", "\u202e", "\x00"):
        assert markup not in page
    assert len(page) < 5000


# -- for Jenkins, and what is no export


def test_xml_is_a_junit_report(done, tmp_path):
    suite = ElementTree.fromstring(exported(done, tmp_path, "out.xml"))
    assert suite.tag == "testsuite"
    assert suite.get("tests") == str(len(done.rows))


def test_an_unknown_suffix_names_those_that_are_known(done, tmp_path):
    with pytest.raises(UserError, match=r"known are \.csv, \.parquet, \.md, \.xml"):
        export(done, tmp_path / "out.xlsx")


def test_a_file_that_cannot_be_written_says_so(done, tmp_path):
    with pytest.raises(UserError, match="cannot be written: No such file or directory"):
        export(done, tmp_path / "missing" / "out.csv")
