"""A sweep and its place in the store: definition, trials, folder, merge, ledger.

Here: these values, and reading and writing them. Not here: planning (`plan/`), running trials (`trials/`), statistics
over rows (`analysis/`). Importing this room imports neither pandas nor torch.
"""

from pipeline.sweep.definition import (
    FORMAT,
    Calibrating,
    Definition,
    Fidelity,
    JudgedClaim,
    Judging,
    Phase,
    Resembling,
    new_id,
)
from pipeline.sweep.folder import ResultFile, Sweep, all_sweeps, epochs_of, find, parse_row
from pipeline.sweep.trial import Experiment, Pack, Trial, seed_of, training_seed, trials_of

__all__ = [
    "FORMAT",
    "Calibrating",
    "Definition",
    "Experiment",
    "Fidelity",
    "JudgedClaim",
    "Judging",
    "Pack",
    "Phase",
    "Resembling",
    "ResultFile",
    "Sweep",
    "Trial",
    "all_sweeps",
    "epochs_of",
    "find",
    "new_id",
    "parse_row",
    "seed_of",
    "training_seed",
    "trials_of",
]
