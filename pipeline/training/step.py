"""A training step: fetch a batch, compute the losses, update the weights. On a GPU it is recorded once and replayed.

Steps of small networks are dozens of kernels of a few microseconds each, and starting one takes as long as running it.
A CUDA graph (`torch.cuda.CUDAGraph`) starts all of a step's at once. It repeats what it saw, on the memory it saw:
whatever changes between two steps must lie on the device and be changed in place.
"""

import torch
from torch import Tensor

from pipeline.training.state import TrainState


def train_step(state: TrainState, rows: Tensor) -> None:
    """Updates every member by the gradient on the training rows at the places `[B]`; adds up the losses."""
    tokens, dense, targets = (tensor[rows] for tensor in state.train)
    tokens = state.optimizer.prepare(tokens)
    with torch.autocast(state.device.type, dtype=torch.bfloat16, enabled=state.device.type == "cuda"):
        losses, _ = state.module.loss(tokens, dense, targets)  # type: ignore[operator]
    state.optimizer.step(losses)
    state.total_loss += losses.detach() * len(rows)


class Step:
    """`train_step` of a state; recorded anew when the state has another module."""

    def __init__(self, state: TrainState) -> None:
        self._state, self._module = state, state.module
        self._recordings: dict[int, _Recording | None] = {}
        """By the number of rows; None after the first such batch, which makes ready what must not be recorded."""
        self._records = state.device.type == "cuda"
        self._failure: str | None = None

    def __call__(self, rows: Tensor) -> None:
        """Trains on the rows at the places `[B]`."""
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
        """Why a GPU is slower than it could be, if it is."""
        return (f"steps are not recorded as a CUDA graph: {self._failure}",) if self._failure else ()

    def _record(self, count: int) -> None:
        try:
            self._recordings[count] = _Recording(self._state, count)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self._failure = f"{type(error).__name__}: " + str(error).split("\n")[0]
            self._records = False
            self._recordings.clear()


class _Recording:
    def __init__(self, state: TrainState, count: int) -> None:
        self._rows = torch.zeros(count, dtype=torch.int64, device=state.device)
        self._graph = torch.cuda.CUDAGraph()
        failure: RuntimeError | None = None
        try:
            # Around it, because torch does not leave its own stream where recording fails.
            with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(self._graph):
                try:
                    train_step(state, self._rows)
                except RuntimeError as error:
                    failure = error
        except RuntimeError as error:
            # After a failure inside, this only says that the recording was disturbed.
            failure = failure or error
        if failure is not None:
            _end_recording()
            raise failure

    def replay(self, rows: Tensor) -> None:
        self._rows.copy_(rows)
        self._graph.replay()


def _end_recording() -> None:
    """After a failure the generator of random numbers still waits for the end of its recording: gives it one."""
    torch.cuda.synchronize()
    with torch.cuda.graph(torch.cuda.CUDAGraph()):
        torch.rand(1, device="cuda")
