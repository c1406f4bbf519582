"""A callback that records a training."""

from collections import defaultdict

from pipeline.training.loop import Callback, Epoch
from pipeline.training.outcome import Outcome


class Recorder(Callback):
    """Records epochs and outcomes by the index of the network. A network stops after its epoch in `last_epochs`."""

    def __init__(self, last_epochs: dict[int, int] | None = None) -> None:
        self.epochs: dict[int, list[Epoch]] = defaultdict(list)
        self.outcomes: dict[int, Outcome] = {}
        self.calls: list[tuple[str, int]] = []
        self._last_epochs = last_epochs or {}

    def on_epoch_end(self, index: int, epoch: Epoch) -> None:
        self.calls.append(("epoch ended", index))
        self.epochs[index].append(epoch)

    def should_stop(self, index: int, epoch: int) -> bool:
        self.calls.append(("asked", index))
        return self._last_epochs.get(index) == epoch

    def on_train_end(self, index: int, outcome: Outcome) -> None:
        self.calls.append(("training ended", index))
        self.outcomes[index] = outcome
