"""What a sweep is and where it lies: its definition, its trials, its folder in the store, the merge, the ledger.

Here: values, and reading and writing them. Not here: what a spec comes to and what runs next (`plan/`), running it
(`trials/`), and what rows say (`analysis/`). Importing this room imports neither pandas nor torch.
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
