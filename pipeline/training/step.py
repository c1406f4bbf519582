"""A training step: fetch a batch, compute the losses, update the weights. On a GPU it is recorded once and replayed.

A step of a small network is dozens of kernels of a few microseconds each, and starting a kernel takes as long as
running it. A CUDA graph (`torch.cuda.CUDAGraph`) starts all kernels of a step at once. It repeats the recorded kernels
on the recorded memory: a value that changes between two steps must lie on the device and be changed in place.
"""

import contextlib
import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn

from pipeline.training.state import TrainState


def train_step(state: TrainState, rows: Tensor) -> None:
    """Updates every member by its gradient on the training rows with the indices `rows`, `[B]`; adds up the losses."""
    tokens, dense, targets = (tensor[rows] for tensor in state.train)
    tokens = state.optimizer.prepare(tokens)
    with torch.autocast(state.device.type, dtype=torch.bfloat16, enabled=state.device.type == "cuda"):
        losses, _ = state.module.loss(tokens, dense, targets)  # type: ignore[operator]
    state.optimizer.step(losses)
    state.total_loss += losses.detach() * len(rows)


class Step:
    """`train_step` of a state. On a GPU it is recorded, and recorded anew when the state gets another module."""

    def __init__(self, state: TrainState) -> None:
        self._state, self._module = state, state.module
        self._recordings: dict[int, _Recording | None] = {}
        """`{number of rows in a batch: recording}`; None after the first batch of a size. That one runs unrecorded: it
        allocates memory, which must not be recorded."""
        self._failure = _recording_failure(state.device.type) if state.device.type == "cuda" else None
        self._records = state.device.type == "cuda" and self._failure is None

    def __call__(self, rows: Tensor) -> None:
        """Trains on the training rows with the indices `rows`, `[B]`."""
        count = len(rows)
        if self._module is not self._state.module:
            self._module = self._state.module
            self._recordings.clear()
        if self._records and count in self._recordings and self._recordings[count] is None:
            self._record(count)
        if recording := self._recordings.setdefault(count, None):
            recording.replay(rows)
        else:
            train_step(self._state, rows)

    @property
    def notes(self) -> tuple[str, ...]:
        """The reason why a GPU is slower than it could be, if there is one."""
        return (f"steps are not recorded as a CUDA graph: {self._failure}",) if self._failure else ()

    def _record(self, count: int) -> None:
        try:
            self._recordings[count] = _Recording(self._state, count)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self._failure = _in_words(error)
            self._records = False
            self._recordings.clear()


class _Recording:
    """A recorded step for batches of `count` rows: a batch is copied to where the recording reads it."""

    def __init__(self, state: TrainState, count: int) -> None:
        self._rows = torch.zeros(count, dtype=torch.int64, device=state.device)
        self._graph = _recorded(lambda: train_step(state, self._rows))

    def replay(self, rows: Tensor) -> None:
        self._rows.copy_(rows)
        self._graph.replay()


def _recorded(step: Callable[[], None]) -> "torch.cuda.CUDAGraph":
    """A recording of the step; recording does not execute it. Raises the step's error if it cannot be recorded."""
    graph, failure = torch.cuda.CUDAGraph(), None
    try:
        # The outer context restores the stream: torch does not if recording fails.
        with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(graph):
            try:
                step()
            except RuntimeError as error:
                failure = error
    except RuntimeError as error:
        # If the step failed, this error only says that the recording was disturbed.
        failure = failure or error
    if failure is not None:
        _end_recording()
        raise failure
    return graph


def _end_recording() -> None:
    """Ends the recording of torch's random generator, which a failure leaves open."""
    with contextlib.suppress(RuntimeError):
        torch.cuda.synchronize()
        with torch.cuda.graph(torch.cuda.CUDAGraph()):
            torch.rand(1, device="cuda")


def _in_words(error: RuntimeError) -> str:
    return f"{type(error).__name__}: " + str(error).split("\n")[0]


@functools.cache
def _recording_failure(device: str) -> str | None:
    """The reason why steps cannot be recorded with this driver and this torch; None if they can.

    It is found out once, on a small network: recorded steps must give the weights of plain ones.
    """
    try:
        step_by_step, recorded = (_weights_after(4, device, records=records) for records in (False, True))
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        return _in_words(error)
    if torch.allclose(step_by_step, recorded, rtol=1e-3, atol=1e-5):
        return None
    return "with this driver, recorded steps of a small network differ from steps that are not recorded"


def _weights_after(steps: int, device: str, *, records: bool) -> Tensor:
    """Weights of a small network with dropout after these steps; with `records`, all but the first are replayed."""
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if device == "cuda" else []):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.5), nn.Linear(16, 1)).to(device)
        rate = torch.tensor(0.01, device=device)
        optimizer = torch.optim.AdamW(network.parameters(), lr=rate, fused=True, capturable=device == "cuda")
        rows = torch.rand(32, 8, device=device)

        def step() -> None:
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
                loss = network(rows).float().square().mean()
            loss.backward()
            optimizer.step()

        step()
        if records:
            graph = _recorded(step)
        for _ in range(steps - 1):
            if records:
                graph.replay()
            else:
                step()
        return torch.cat([weight.detach().flatten() for weight in network.parameters()]).clone()
