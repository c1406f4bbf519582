"""Metrics from a stream of bytes: cuts do not matter, and an unreadable value never leaves an older one."""

import json
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.training.own.lines import LINE_AT_MOST, Lines
from pipeline.training.own.log import Output
from pipeline.training.own.pattern import PatternReader
from pipeline.training.own.reports import Metrics, Tail

PATTERN = r"Epoch (?P<epoch>\d+).*val=(?P<mse_valid>[0-9.]+)|test (?P<mse_test>\S+)"


class Reader:
    """Reads metrics as a training does, from output or from lines of the metrics file."""

    def __init__(self, pattern: str = PATTERN) -> None:
        self.epochs: list[tuple[int, dict[str, float]]] = []
        self.unread: list[str] = []
        self.metrics = Metrics(("mse_valid", "mse_test"), self._note)
        self._pattern = PatternReader(
            pattern, 2.0, self.metrics.take_groups, lambda reason, line, _: self.unread.append(reason)
        )

    def _note(self, epoch: int, metrics: Any) -> bool:
        self.epochs.append((epoch, dict(metrics)))
        return True

    def read(self, *chunks: bytes) -> "Reader":
        output = Output(lambda text: None, self._pattern.add)
        for chunk in chunks:
            output.add(chunk)
        output.close()
        self._pattern.close()
        self.metrics.flush()
        return self

    def file(self, *lines: str) -> "Reader":
        for line in Lines().add("".join(f"{line}\n" for line in lines).encode()):
            self.metrics.take_line(line)
        self.metrics.flush()
        return self

    @property
    def last(self) -> dict[str, float]:
        return self.metrics.last


def pieces(data: bytes, cuts: Sequence[int]) -> Iterator[bytes]:
    at = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return (data[start:end] for start, end in pairwise(at))


PARTS = st.sampled_from(
    [
        b"\r", b"\n", b"\r\n", b"\b", b"\x1b[2K", b"\x1b[1G", b"\x1b[A", b"\x1b[32m", b"\x1b[0m", b" " * 70,
        "é█".encode(), "é█".encode()[:3], b"\xff\x00", b"Epoch 1: 50% val=9.0", b"Epoch 1: 100% val=0.25",
        b"Epoch 2: 100% val=1e-05",
        b"Epoch 3 val=nan", b"Epoch 0.96 val=0.5", b"val=", b"test 0.5", b"test tensor(0.31, device='cuda:0')",
        b"test ?",
        b"x" * 5000, b"warning: something from stderr", b"Epoch ", b"0.12345",
    ]
)  # fmt: skip


@given(st.lists(PARTS, max_size=30), st.lists(st.integers(0, 100_000), max_size=20))
def test_the_same_bytes_give_the_same_metrics_however_they_are_cut(parts, cuts):
    data = b"".join(parts)
    whole, cut = Reader().read(data), Reader().read(*pieces(data, cuts))
    assert repr((whole.epochs, whole.last, whole.metrics.doubts)) == repr((cut.epochs, cut.last, cut.metrics.doubts))
    assert list(whole.metrics.notes()) == list(cut.metrics.notes())


@given(st.binary(max_size=3000), st.lists(st.integers(0, 100_000), max_size=20))
def test_no_bytes_are_wrong_enough_to_raise_an_error(data, cuts):
    assert repr(Reader().read(data).last) == repr(Reader().read(*pieces(data, cuts)).last)
    Reader().file(data.decode("latin-1"))


@given(
    st.lists(st.sampled_from(['{"epoch": 1, "mse_valid": 0.5}', "\n", '{"mse_test": 0.25}', "{", "é", "nan"])),
    st.data(),
)
def test_a_metrics_file_is_read_the_same_however_it_grows(tmp_path_factory, lines, data):
    content = "".join(lines).encode()
    path = tmp_path_factory.getbasetemp() / "grows"
    cut = data.draw(st.integers(0, len(content)))
    path.write_bytes(content[:cut])
    tail = Tail(path)
    lines_of_file = [*tail.lines()]
    path.write_bytes(content)
    lines_of_file += [*tail.lines(), tail.last_line()]
    whole = Lines()
    assert lines_of_file == [*whole.add(content), whole.last_line()]


# -- progress bars and patterns


@pytest.mark.parametrize(
    ("data", "epochs"),
    [
        (b"\rEpoch 1: 1% val=9.0\rEpoch 1: 100% val=0.5\nEpoch 2: 100% val=0.25", [(1, 0.5), (2, 0.25)]),
        # One bar for all epochs, never ended by a line break; tqdm(leave=False).
        (b"\rEpoch 1 val=9\rEpoch 1 val=0.5\r     \rEpoch 2 val=8\rEpoch 2 val=0.25\r     \r", [(1, 0.5), (2, 0.25)]),
        (b"\x1b[2K\x1b[1GEpoch 1 val=9.0\x1b[2K\x1b[1GEpoch 1 val=\x1b[32m0.5\x1b[0m\n", [(1, 0.5)]),
        (b"Epoch 1 val=9.1\b\b\b0.5\n", [(1, 0.5)]),
        (b"Epoch 1 val=0.5\r\n", [(1, 0.5)]),
        (b"\x1b]0;title\x07Epoch 1 val=0.5", [(1, 0.5)]),
        (b"Epoch 1 " + b"c" * 100_000 + b" val=0.5\n", [(1, 0.5)]),
        (b"warning\rEpoch 1 val=0.5warning from stderr\n", [(1, 0.5)]),
    ],
)  # fmt: skip
def test_the_last_text_of_a_progress_bar_counts_for_each_epoch(data, epochs):
    for chunks in ([data], [data[at : at + 1] for at in range(len(data))]):
        reader = Reader().read(*chunks)
        assert [(epoch, metrics["mse_valid"]) for epoch, metrics in reader.epochs] == epochs
        assert reader.last["mse_valid"] == epochs[-1][1]


def test_a_line_that_is_too_long_is_noted_and_not_read_in_part():
    long = b"Epoch 2 val=0.5" + b"0" * LINE_AT_MOST + b"\n"
    reader = Reader().read(b"Epoch 1 val=0.25\n" + long + b"Epoch 3 val=0.125\n")
    assert [epoch for epoch, _ in reader.epochs] == [1, 3]
    assert reader.unread == ["stands in a line of more than 1,048,576 bytes, which is not read"]


@pytest.mark.parametrize(
    ("text", "pattern", "value"),
    [
        ("val=1e-05", r"val=(?P<mse_valid>[0-9.]+)", 1e-5),
        ("val=1e-05, x=2", r"val=(?P<mse_valid>\d+\.\d+)", 1e-5),
        ("val=1.5e-05, x=2", r"val=(?P<mse_valid>\d+\.\d+).*", 1.5e-5),
        ("val=nan", r"val=(?P<mse_valid>[0-9.]+)", math.nan),
        ("val=-inf]", r"val=(?P<mse_valid>\d+\.\d+)", -math.inf),
        ("val=-0.5", r"val=(?P<mse_valid>[0-9.]+)", -0.5),
        ("val=-0.5", r"val=-?(?P<mse_valid>[0-9.]+)", 0.5),
        ("val=0,031", r"val=(?P<mse_valid>\d+)", 0.031),
        ("val=0.5,", r"val=(?P<mse_valid>[0-9.,]+)", 0.5),
        ("3,0.5,0.6", r"^(?P<epoch>\d+),(?P<mse_valid>[\d.]+),(?P<mse_test>[\d.]+)", 0.5),
        ("epoch 3 step 4 val 0.5", r"epoch (?P<epoch>\d+) step (?P<step>\d+) val (?P<mse_valid>\S+)", 0.5),
        ("at 2024-05-01 val 0.5", r"at \d+-\d+-\d+ val (?P<mse_valid>\S+)", 0.5),
    ],
)
def test_a_number_is_read_whole_even_if_the_pattern_fits_only_a_part(text, pattern, value):
    # The older value never stands for the last one.
    reader = Reader(pattern).read(f"val=7 7,7\n{text}\n".encode())
    assert repr(reader.last["mse_valid"]) == repr(value)


def test_an_optional_group_that_does_not_fit_nan_leaves_no_older_value():
    pattern = r"val=(?P<mse_valid>[0-9.]+)(, test=(?P<mse_test>[0-9.]+))?"
    assert math.isnan(Reader(pattern).read(b"val=1, test=2\nval=0.5, test=nan\n").last["mse_test"])


# -- epochs


@pytest.mark.parametrize(
    ("numbers", "epochs"),
    [
        ((1, 2, 3), (1, 2, 3)),
        ((0.96, 1.92, 2.88), (1, 2, 3)),
        ((0.5, 1.0, 1.5, 2.0), (1, 2)),
        ((0, 1, 2), (0, 1, 2)),
        ((1, 2, 3, 1, 2), (1, 2, 3, 4, 5)),
        ((0, 1, 0, 1), (0, 1, 2, 3)),
        ((5, 6, 5, 6), (5, 6, 7, 8)),
        (("1/3", "2/3"), (1, 2)),
    ],
)
def test_epochs_are_counted_as_reported_and_the_count_goes_on_if_they_start_again(numbers, epochs):
    reader = Reader().file(*(json.dumps({"epoch": epoch, "mse_valid": at}) for at, epoch in enumerate(numbers)))
    assert tuple(epoch for epoch, _ in reader.epochs) == epochs
    assert reader.metrics.epochs == epochs[-1]
    assert reader.last["mse_valid"] == len(numbers) - 1


def test_a_fraction_of_an_epoch_is_passed_on_with_its_last_value():
    reader = Reader().file(*(f'{{"epoch": {epoch}, "mse_valid": {epoch}}}' for epoch in (0.25, 0.75, 1.0, 1.5)))
    assert reader.epochs == [(1, {"mse_valid": 1.0}), (2, {"mse_valid": 1.5})]


def test_a_late_metric_of_an_earlier_epoch_starts_no_new_count():
    lines = ['{"epoch": 1, "mse_valid": 3}', '{"epoch": 2, "mse_valid": 2}', '{"epoch": 1, "mse_test": 1}']
    assert Reader().file(*lines).metrics.epochs == 2


@pytest.mark.parametrize("epoch", ['"x"', "-1", "1e300", "[1, 2]", "NaN"])
def test_an_epoch_that_cannot_be_read_leaves_the_metrics_of_its_line_in_doubt(epoch):
    reader = Reader().file('{"epoch": 1, "mse_valid": 3}', f'{{"epoch": {epoch}, "mse_valid": 2}}')
    assert reader.last == {}
    assert "which is not a number of at least 0" in reader.metrics.doubts["mse_valid"]
    assert "has an epoch that is not a number of at least 0" in next(reader.metrics.notes())
    assert reader.file('{"epoch": 2, "mse_valid": 2}').last == {"mse_valid": 2}


# -- unreadable reports


@pytest.mark.parametrize(
    "line",
    [
        '{"epoch": 2, "mse_valid": "?"}', '{"epoch": 2, "mse_valid": null}', '{"mse_valid": [1, 2]}',
        '{"mse_valid": true}', '{"mse_valid": 0.2, "mse_te', "{'mse_valid': 0.2}", '{"mse_valid": 0,2}',
        '[{"mse_valid": 0.2}]',
        '{"mse_valid": "1,234"}', '{"mse_valid": 0.1, "x": "' + "x" * LINE_AT_MOST + '"}',
    ],
)  # fmt: skip
def test_an_unreadable_value_leaves_no_older_one_until_the_next_report(line):
    reader = Reader().file('{"epoch": 1, "mse_valid": 3, "mse_test": 1}', line)
    assert "mse_valid" not in reader.last
    assert "mse_valid" in reader.metrics.doubts
    assert reader.file('{"mse_valid": 2, "mse_test": 1}').last == {"mse_valid": 2, "mse_test": 1}


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ('{"mse_valid": nan, "mse_test": -inf}', [math.nan, -math.inf]),
        ('{"mse_valid":-nan,"mse_test":+Inf}', [math.nan, math.inf]),
        ('{"mse_valid": 1}{"mse_test": 2}', [1, 2]),
        ('\ufeff{"mse_valid": 1},  {"mse_test": "2,5"},\r', [1, 2.5]),
    ],
)
def test_json_as_others_write_it_is_read(line, values):
    last = Reader().file('{"mse_valid": 7, "mse_test": 7}', line).last
    assert repr([last["mse_valid"], last["mse_test"]]) == repr([float(value) for value in values])


def test_a_metric_of_the_metrics_file_is_not_taken_from_the_output():
    for steps in (("file", "output"), ("output", "file")):
        reader = Reader()
        for step in steps:
            reader.file('{"mse_test": 1}') if step == "file" else reader.read(b"test 2\n")
        assert reader.last == {"mse_test": 1}


def test_garbage_in_the_metrics_file_casts_no_doubt_on_a_metric_of_the_output():
    for steps in (("file", "output"), ("output", "file")):
        reader = Reader()
        for step in steps:
            reader.file('{"mse_test": "?"}') if step == "file" else reader.read(b"test 2\n")
        assert reader.last == {"mse_test": 2}


def test_a_metrics_file_that_is_written_anew_each_epoch_is_read_again(tmp_path: Path):
    tail, reader = Tail(tmp_path / "metrics"), Reader()
    for epoch in range(1, 4):
        tail.path.write_text(f'{{"epoch": {epoch}, "mse_valid": 0.{epoch}}}\n')
        for line in tail.lines():
            reader.metrics.take_line(line)
    assert reader.last == {"mse_valid": 0.3}
    assert reader.metrics.epochs == 3


def test_the_objective_is_never_one_metric_too_many():
    many = {f"class_{n}": n for n in range(300)} | {"mse_valid": 1, "mse_test": 2}
    assert Reader().file(json.dumps(many)).last["mse_test"] == 2


@pytest.mark.parametrize(
    ("line", "valid", "test"),
    [
        ("val=0,31 test=0,42", 0.31, 0.42),
        ("val=1,234.5, test=1,300.1", 1234.5, 1300.1),
        ("val=3, test=4", 3.0, 4.0),
    ],
)
def test_a_comma_in_a_number_is_read_in_every_group(line, valid, test):
    reader = Reader(r"val=(?P<mse_valid>[\d.]+).*test=(?P<mse_test>[\d.]+)").read(f"{line}\n".encode())
    assert reader.last == {"mse_valid": valid, "mse_test": test}


def test_values_that_the_pattern_separates_by_commas_stay_separate():
    reader = Reader(r"(?P<mse_test>\d+),(?P<mse_valid>\d+)").read(b"7,100,3\n")
    assert reader.last == {"mse_test": 7, "mse_valid": 100}
