"""The trainer of the built-in architectures: loads the data of a date range, trains, saves the model.

A lane keeps one `Builtin` for all its trials, so that torch is imported and data are loaded only once.
"""

import functools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.data.source import DataSource
from pipeline.dates import DateRange
from pipeline.results import Status
from pipeline.training import architectures
from pipeline.training.job import Job, TrainingResult

if TYPE_CHECKING:
    from pipeline.data.dataset import Dataset
    from pipeline.training.loop import Epoch
    from pipeline.training.outcome import Outcome

_DataKey = tuple[DataSource, DateRange, float, float, int | None]


@dataclass
class Builtin:
    """A trainer that remembers its device and the data of the last date ranges."""

    _datasets: "dict[_DataKey, Dataset]" = field(default_factory=dict)
    _best_sizes: dict[Hashable, int] = field(default_factory=dict)
    """`{(shapes, inputs, limit): number of networks}` that train fastest side by side, as measured."""
    _largest_sizes: dict[Hashable, int] = field(default_factory=dict)
    """`{shapes: number of networks}` that may train side by side: with more, memory ran out."""
    _is_warm: bool = False

    BYTES_KEPT = 2 * 2**30
    """If the remembered datasets are larger, the oldest are dropped before the next one is loaded."""

    def __call__(self, job: Job) -> TrainingResult:
        """Trains one job. Raises UserError if the data cannot be used, and OutOfMemory."""
        results: list[TrainingResult] = []
        self.train_together([job], lambda _, result: results.append(result))
        return results[0]

    def train_together(self, jobs: Sequence[Job], on_end: Callable[[int, TrainingResult], None]) -> None:
        """Trains jobs side by side. Their trainings may differ only in hyperparameters that do not change a shape.

        `on_end` gets the index and the result of each job when it ends. Raises UserError if the data cannot be used,
        and OutOfMemory; results that `on_end` already has stay valid.
        """
        from pipeline.training.loop import train_array

        first, dataset = jobs[0], self.dataset(jobs[0])
        self._warm_up()
        for job in jobs:
            for note in dataset.notes:
                job.say(f"data: {note}")
        train_array(
            first.architecture,
            [job.hyperparameters for job in jobs],
            dataset,
            seed=first.seed,
            device=self.device,
            max_epochs=first.max_epochs,
            epoch_steps=first.epoch_steps,
            deadline=first.deadline,
            callback=_JobCallback(
                jobs, lambda index, outcome: on_end(index, self._save(jobs[index], outcome, dataset))
            ),
        )

    def _save(self, job: Job, outcome: "Outcome", dataset: "Dataset") -> TrainingResult:
        """Writes the model into the job's folder, and the summary of its predictions if the job keeps one."""
        from pipeline.training import model, predictions
        from pipeline.training.evaluation import predicted

        model.save(
            job.folder,
            outcome.network,
            architecture=job.architecture,
            hyperparameters=job.hyperparameters,
            inputs=dataset.inputs,
            encoder=dataset.encoder,
        )
        files = {name: job.folder / name for name in (model.DESCRIPTION, model.WEIGHTS)}
        if job.keeps_predictions and outcome.status is Status.COMPLETE:
            files |= predictions.write(job.folder, predicted(outcome.network, dataset.test), dataset)
        return TrainingResult(
            status=outcome.status,
            metrics=outcome.metrics,
            epochs=outcome.epochs,
            seconds=outcome.seconds,
            files=files,
            model=model.WEIGHTS,
            device=self.device_name,
            data_fingerprint=dataset.fingerprint,
        )

    def best_group_size(self, job: Job, most: int) -> int:
        """Number of jobs like this one that train fastest side by side on this device, at most `most`.

        Measures it once for each shape. Raises UserError if the data cannot be used.
        """
        from pipeline.training import fused_size

        if most == 1 or self.device not in architectures.network(job.architecture).fuses_on:
            return 1
        dataset, shape = self.dataset(job), self._shape(job)
        most = min(most, self._largest_sizes.get(shape, most))
        key = (shape, dataset.inputs, most)
        if key not in self._best_sizes:
            self._warm_up()
            self._best_sizes[key] = fused_size.best_size(
                job.architecture, job.hyperparameters, dataset, self.device, most
            )
        return self._best_sizes[key]

    def limit_group_size(self, job: Job, most: int) -> None:
        """From now on, at most `most` jobs like this one train side by side."""
        self._largest_sizes[self._shape(job)] = most

    @staticmethod
    def _shape(job: Job) -> Hashable:
        return job.architecture, architectures.shapes(job.architecture, job.hyperparameters)

    @functools.cached_property
    def device(self) -> str:
        """`cuda` or `cpu`. Sets torch to one thread."""
        import torch

        # Lanes share the cores: with more than one thread each, they are many times slower.
        torch.set_num_threads(1)
        return "cuda" if torch.cuda.is_available() else "cpu"

    def _warm_up(self) -> None:
        """Creates torch's first optimizer, which takes seconds, before any time is measured."""
        if not self._is_warm:
            import torch

            weight = torch.zeros(1, device=self.device, requires_grad=True)
            optimizer = torch.optim.AdamW([weight], fused=True)
            weight.sum().backward()
            optimizer.step()
            self._is_warm = True

    @functools.cached_property
    def device_name(self) -> str:
        """The GPU's name, or `cpu`."""
        import torch

        return torch.cuda.get_device_name() if self.device == "cuda" else "cpu"

    def dataset(self, job: Job) -> "Dataset":
        """The job's data, kept for the next job that has the same. Raises UserError if they cannot be used."""
        from pipeline.data.load import load

        assert job.data is not None
        shares = job.validation_share, job.test_share
        key = (job.data, job.date_range, *shares, job.train_days)
        if key not in self._datasets:
            while self._datasets and sum(dataset.nbytes for dataset in self._datasets.values()) > self.BYTES_KEPT:
                del self._datasets[next(iter(self._datasets))]
            self._datasets[key] = load(job.data, job.date_range, *shares, train_days=job.train_days)
        return self._datasets[key]


@dataclass(frozen=True)
class _JobCallback:
    """Passes what the loop reports of a network on to the network's job."""

    jobs: Sequence[Job]
    on_outcome: "Callable[[int, Outcome], None]"

    def on_epoch_end(self, index: int, epoch: "Epoch") -> None:
        progress = {"learning_rate": epoch.learning_rate, "seconds": epoch.seconds}
        self.jobs[index].note(epoch.number, epoch.metrics | progress)

    def should_stop(self, index: int, epoch: int) -> bool:
        return not self.jobs[index].goes_on(epoch)

    def on_train_end(self, index: int, outcome: "Outcome") -> None:
        for note in outcome.notes:
            self.jobs[index].say(note)
        self.on_outcome(index, outcome)
