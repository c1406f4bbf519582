"""Trains a built-in architecture: loads the data of a range, trains, saves the model.

A long-lived lane keeps one of these between trials, so that torch is imported and data are loaded once.
"""

import functools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.data_source import DataSource
from pipeline.dates import DateRange
from pipeline.results import Status
from pipeline.training.job import Job, Measured

if TYPE_CHECKING:
    from pipeline.training.dataset import Dataset

_Key = tuple[DataSource, DateRange, float, float, int | None]


@dataclass
class Builtin:
    """A trainer, with the device and the data of the ranges that it saw last."""

    _datasets: "dict[_Key, Dataset]" = field(default_factory=dict)
    _is_warm: bool = False

    BYTES_KEPT = 2 * 2**30

    def __call__(self, job: Job) -> Measured:
        """Raises UserError if the data cannot be used, and `loop.OutOfMemory`."""
        from pipeline.training import model
        from pipeline.training.loop import Epoch, train

        dataset = self.dataset(job)
        self._warm_up()

        def on_epoch(epoch: Epoch) -> bool:
            figures = {"learning_rate": epoch.learning_rate, "seconds": epoch.seconds}
            return job.report(epoch.number, epoch.metrics | figures)

        started = time.monotonic()
        outcome = train(
            job.architecture,
            job.hyperparameters,
            dataset,
            seed=job.seed,
            device=self.device,
            max_epochs=job.max_epochs,
            deadline=job.deadline,
            on_epoch=on_epoch,
        )
        seconds = time.monotonic() - started
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
            seconds=seconds,
            files={name: job.folder / name for name in (model.DESCRIPTION, model.WEIGHTS)},
            model=model.WEIGHTS,
            device=self.device_name,
            data_fingerprint=dataset.fingerprint,
        )

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
        """The job's data, kept for the next job that has the same; its notes go to the job's log."""
        from pipeline.training.data import load

        assert job.data is not None
        shares = job.validation_share, job.test_share
        key = (job.data, job.date_range, *shares, job.train_days)
        if key not in self._datasets:
            while self._datasets and sum(one.nbytes for one in self._datasets.values()) > self.BYTES_KEPT:
                del self._datasets[next(iter(self._datasets))]
            self._datasets[key] = load(job.data, job.date_range, *shares, train_days=job.train_days)
        for note in self._datasets[key].notes:
            job.say(f"data: {note}")
        return self._datasets[key]
