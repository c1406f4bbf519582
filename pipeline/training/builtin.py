"""Trains a built-in architecture: loads the data of a range, trains, saves the model.

A long-lived lane keeps one of these between trials, so that torch is imported and data are loaded once.
"""

import functools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.data.source import DataSource
from pipeline.dates import DateRange
from pipeline.results import Status
from pipeline.training import architectures
from pipeline.training.job import Job, Measured

if TYPE_CHECKING:
    from pipeline.data.dataset import Dataset
    from pipeline.training.loop import Outcome

_Key = tuple[DataSource, DateRange, float, float, int | None]


@dataclass
class Builtin:
    """A trainer, with the device and the data of the ranges that it saw last."""

    _datasets: "dict[_Key, Dataset]" = field(default_factory=dict)
    _at_once: dict[Hashable, int] = field(default_factory=dict)
    _allowed: dict[Hashable, int] = field(default_factory=dict)
    _is_warm: bool = False

    BYTES_KEPT = 2 * 2**30

    def __call__(self, job: Job) -> Measured:
        """Raises UserError if the data cannot be used, and `loop.OutOfMemory`."""
        ends: list[Measured] = []
        self.together([job], lambda _, measured: ends.append(measured))
        return ends[0]

    def together(self, jobs: Sequence[Job], on_end: Callable[[int, Measured], None]) -> None:
        """Trains jobs side by side that differ in nothing but hyperparameters that shape nothing.

        `on_end` is told of each, by its place, when it ends. Raises UserError if the data cannot be used, and
        `loop.OutOfMemory`; what has ended before stands.
        """
        from pipeline.training.loop import Epoch, Outcome, train_array

        first, dataset = jobs[0], self.dataset(jobs[0])
        self._warm_up()
        for job in jobs:
            for note in dataset.notes:
                job.say(f"data: {note}")

        def on_epoch(at: int, epoch: Epoch) -> None:
            figures = {"learning_rate": epoch.learning_rate, "seconds": epoch.seconds}
            jobs[at].note(epoch.number, epoch.metrics | figures)

        def ended(at: int, outcome: Outcome) -> None:
            on_end(at, self._measured(jobs[at], outcome, dataset))

        train_array(
            first.architecture,
            [job.hyperparameters for job in jobs],
            dataset,
            seed=first.seed,
            device=self.device,
            max_epochs=first.max_epochs,
            deadline=first.deadline,
            on_epoch=on_epoch,
            goes_on=lambda at, epoch: jobs[at].goes_on(epoch),
            on_end=ended,
        )

    def _measured(self, job: Job, outcome: "Outcome", dataset: "Dataset") -> Measured:
        from pipeline.training import model

        model.save(
            job.folder,
            outcome.network,
            architecture=job.architecture,
            hyperparameters=job.hyperparameters,
            inputs=dataset.inputs,
            encoder=dataset.encoder,
        )
        return Measured(
            status=Status(outcome.status),
            metrics=outcome.metrics,
            epochs=outcome.epochs,
            seconds=outcome.seconds,
            files={name: job.folder / name for name in (model.DESCRIPTION, model.WEIGHTS)},
            model=model.WEIGHTS,
            device=self.device_name,
            data_fingerprint=dataset.fingerprint,
        )

    def at_once(self, job: Job, most: int) -> int:
        """How many jobs like this one should train side by side on this device: what was measured, at most `most`.

        Raises UserError if the data cannot be used.
        """
        from pipeline.training import fused_size

        if most == 1 or not architectures.network(job.architecture).fuses:
            return 1
        dataset, shape = self.dataset(job), self._shape(job)
        most = min(most, self._allowed.get(shape, most))
        measured = (shape, dataset.inputs, most)
        if measured not in self._at_once:
            self._warm_up()
            self._at_once[measured] = fused_size.best_size(
                job.architecture, job.hyperparameters, dataset, self.device, most
            )
        return self._at_once[measured]

    def allow(self, job: Job, most: int) -> None:
        """Trains at most so many jobs like this one side by side from now on."""
        self._allowed[self._shape(job)] = most

    @staticmethod
    def _shape(job: Job) -> Hashable:
        return job.architecture, architectures.shapes(job.architecture, job.hyperparameters)

    @functools.cached_property
    def device(self) -> str:
        import torch

        # Lanes share the cores: with more threads than one each, they are many times slower.
        torch.set_num_threads(1)
        return "cuda" if torch.cuda.is_available() else "cpu"

    def _warm_up(self) -> None:
        """Has what torch only does once done before any training's time is taken: its first optimizer takes seconds."""
        if not self._is_warm:
            import torch

            weight = torch.zeros(1, device=self.device, requires_grad=True)
            optimizer = torch.optim.AdamW([weight], fused=True)
            weight.sum().backward()
            optimizer.step()
            self._is_warm = True

    @functools.cached_property
    def device_name(self) -> str:
        import torch

        return torch.cuda.get_device_name() if self.device == "cuda" else "cpu"

    def dataset(self, job: Job) -> "Dataset":
        """The job's data, kept for the next job that has the same."""
        from pipeline.data.load import load

        assert job.data is not None
        shares = job.validation_share, job.test_share
        wanted = (job.data, job.date_range, *shares, job.train_days)
        if wanted not in self._datasets:
            while self._datasets and sum(one.nbytes for one in self._datasets.values()) > self.BYTES_KEPT:
                del self._datasets[next(iter(self._datasets))]
            self._datasets[wanted] = load(job.data, job.date_range, *shares, train_days=job.train_days)
        return self._datasets[wanted]
