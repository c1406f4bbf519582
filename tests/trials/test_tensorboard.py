"""TensorBoard itself reads an attempt's event file."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.results import Status
from pipeline.trials.tensorboard import EventFile


class Board:
    """TensorBoard's own reader of a folder of runs, and its HPARAMS plugin."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
        from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
        from tensorboard.context import RequestContext
        from tensorboard.plugins.base_plugin import TBContext
        from tensorboard.plugins.hparams.backend_context import Context

        runs = EventMultiplexer().AddRunsFromDirectory(str(folder))
        runs.Reload()
        self._runs = runs
        self._context = RequestContext()
        self._plugin = Context(TBContext(data_provider=MultiplexerDataProvider(runs, str(folder))))

    def curve(self, run: str, tag: str) -> list[tuple[int, float]]:
        """Epoch and value."""
        from tensorboard.util.tensor_util import make_ndarray

        return [(event.step, float(make_ndarray(event.tensor_proto))) for event in self._runs.Tensors(run, tag)]

    def sessions(self) -> dict[str, Any]:
        """The lines of the HPARAMS tab by name."""
        from tensorboard.plugins.hparams import api_pb2
        from tensorboard.plugins.hparams.list_session_groups import Handler

        statuses = [number for _, number in api_pb2.Status.items()]
        request = api_pb2.ListSessionGroupsRequest(start_index=0, slice_size=100, allowed_statuses=statuses)
        return {group.name: group for group in Handler(self._context, self._plugin, "", request).run().session_groups}


def setting(group: Any) -> dict[str, Any]:
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in group.hparams.items()}


def metrics(group: Any) -> dict[str, float]:
    return {metric.name.tag: metric.value for metric in group.metric_values}


def write(folder: Path, trial: str, file: EventFile) -> None:
    (folder / trial).mkdir()
    (folder / trial / file.name).write_bytes(file.content())


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    """e000 on two ranges; e001, which failed; e002, which still trains."""
    folder = tmp_path_factory.mktemp("events")
    for at in range(2):
        file = EventFile("a", "screen-e000", {"rate": 0.1, "deep": True, "kind": "lstm", "phase": "screen"})
        for epoch in (1, 2, 3):
            file.add(epoch, {"mse_valid": 4.0 - epoch})
        file.end(Status.COMPLETE, {"mse_valid": 0.5 + at, "mse_test": 2.0 + at})
        write(folder, f"screen-e000-d{at}-s0", file)
    failed = EventFile("a", "screen-e001", {"rate": 10**400, "deep": None, "kind": "\ud800", "1e\udfff": float("nan")})
    failed.add(1, {"mse_valid": float("nan"), "mse_\udfff": 1e300})
    failed.end(Status.FAILED, {})
    write(folder, "screen-e001-d0-s0", failed)
    running = EventFile("a", "screen-e002", {"rate": 0.3})
    running.add(1, {"mse_valid": 3.0})
    write(folder, "screen-e002-d0-s0", running)
    return Board(folder)


def test_the_hparams_tab_has_a_line_for_each_setting_with_its_mean_results(board: Board) -> None:
    group = board.sessions()["screen-e000"]
    assert setting(group) == {"rate": 0.1, "deep": True, "kind": "lstm", "phase": "screen"}
    assert metrics(group) == {"mse_valid": 1.0, "result/mse_valid": 1.0, "result/mse_test": 2.5}
    assert [session.name for session in group.sessions] == ["screen-e000-d0-s0", "screen-e000-d1-s0"]


def test_the_hparams_tab_says_how_a_training_ended(board: Board) -> None:
    from tensorboard.plugins.hparams import api_pb2

    statuses = {name: api_pb2.Status.Name(group.sessions[0].status) for name, group in board.sessions().items()}
    expected = {"screen-e000": "STATUS_SUCCESS", "screen-e001": "STATUS_FAILURE", "screen-e002": "STATUS_UNKNOWN"}
    assert statuses == expected


def test_no_value_keeps_a_curve_from_being_written(board: Board) -> None:
    values = setting(board.sessions()["screen-e001"])
    assert values["rate"] == "1" + 400 * "0"
    assert (values["deep"], values["kind"], len(values)) == ("null", '"\\ud800"', 4)
    assert [epoch for epoch, _ in board.curve("screen-e001-d0-s0", "mse_valid")] == [1]


def test_the_result_stands_beside_the_curve_not_in_it(board: Board) -> None:
    assert board.curve("screen-e000-d1-s0", "mse_valid") == [(1, 3.0), (2, 2.0), (3, 1.0)]
