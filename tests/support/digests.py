"""Made-up digests of earlier sweeps."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.dates import DateRange
from pipeline.results import Status
from pipeline.sweep import Definition
from pipeline.sweep.digests import Digest, DigestedRange, DigestedTrial, Series

LATER = [DateRange.from_json([f"2012-{at:02d}-01", f"2012-{at + 1:02d}-01"]) for at in range(1, 12)]


def digest(definition: Definition, scores: np.ndarray, ranges: Sequence[DateRange] = LATER, **changes: Any) -> Digest:
    """The digest of a sweep with these scores, `[settings, ranges]` or `[settings, ranges, seeds]`."""
    confirm = definition.confirm
    assert confirm is not None
    scores = scores if scores.ndim == 3 else scores[..., None]
    trials = [
        DigestedTrial(
            phase="screen",
            experiment=f"e{setting:03d}",
            range=at,
            seed=seed,
            fidelity="full",
            status=Status.COMPLETE,
            valid=float(scores[setting, at, seed]),
            epochs=2,
            seconds=1.0,
        )
        for setting, at, seed in np.ndindex(*scores.shape)
    ]
    digest = Digest(
        series=Series.of(definition),
        sweep="20240101-0000-bag-of-words-0000",
        sweep_format=definition.format,
        created="2024-01-01T00:00:00+00:00",
        as_of=definition.as_of,
        data=definition.data,
        calibration=False,
        seed=0,
        validation_share=definition.training.validation_share,
        test_share=definition.training.test_share,
        incumbent=definition.incumbent,
        fidelities=(confirm.fidelity,),
        ranges=tuple(
            DigestedRange(range=date_range, fingerprints={"full": ("abcd",)})
            for date_range in ranges[: scores.shape[1]]
        ),
        experiments={
            f"e{at:03d}": definition.incumbent | {"learning_rate": 0.001 * (at + 1)} for at in range(scores.shape[0])
        },
        trials=tuple(trials),
    )
    return digest.model_copy(update=changes)
