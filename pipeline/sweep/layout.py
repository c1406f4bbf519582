"""The layout of a store: keys are built here, and taken apart here, and nowhere else.

Nothing here reads or writes. Files of a sweep, below `sweeps/<id>/`:

    sweep.json                                the definition
    plan/<n>.tsv                              a round
    experiments.csv                           the experiments of the rounds
    trials/<trial>/result.csv                 a trial's row; a retry's is result-2.csv
    trials/<trial>/attempts/<token>/<file>    epochs.csv, log.txt, and all that the trainer saves;
                                              predictions.json of trials that judge, and of references
    tensorboard/<trial>/<file>                an attempt's event file, whose name ends with its token
    rungs/<phase>-d<range>-s<seed>/<epoch>/<experiment>
                                              a trial's metric after an epoch, for early stopping
    leases/<trial>                            the trials that a lane trains now, under the id of the first of them
    leases/runners/<id>                       a runner's heartbeat
    results.csv                               all rows
    report/<file>                             the page and its charts
    stop                                      asks the sweep's runners to stop

Across sweeps: `index.html`, the store's front page, and below `ledger/`:

    front.json                                the lines of the front page, one for each sweep
    chosen/<architecture>-<data>/<sweep>.json     the date ranges that a sweep chose on
    confirmed/<architecture>-<data>/<sweep>.json  the p-values of its confirmation
    rows/<hash>.csv                           the row of a finished training, for reuse
    digests/<series>/<sweep>.json             settings and validation scores of a sweep; all.json holds every digest
    judged/<series>/<sweep>.json              its verdicts, with test scores
    claims/<claim>/claim.json                 a winner that was not shown to be better, and how it will be judged
    claims/<claim>/sweeps/<n>.json            a sweep that judges the claim, and on which date ranges
    claims/<claim>/pairs/<start>_<end>.json   scores of the setting and its incumbent on one date range

Others:

    compared/<name>/<file>                    the page that compares several sweeps
    removed/<sweep>                           marks a removed sweep: files that remain in its folder are ignored
"""

import hashlib
import re
from collections.abc import Sequence

from pipeline.dates import DateRange
from pipeline.errors import UserError
from pipeline.sweep.trial import Trial

SWEEPS = "sweeps/"
FRONT_PAGE = "index.html"
"""The page of the whole store."""
FRONT_LINES = "ledger/front.json"
"""The content of the front page: one line for each sweep."""
CLAIMS = "ledger/claims/"
_ID = re.compile(r"[0-9]{8}-[0-9]{4}-[a-z0-9-]+-[0-9a-f]{4}")
_CLAIM = re.compile(r"[a-z0-9][a-z0-9-]*-[0-9a-f]{12}")
_ROUND = re.compile(r"(\d+)\.tsv", re.ASCII)
_RESULT = re.compile(r"(?P<trial>[^/]+)/result(?:-(?P<number>[1-9]\d*))?\.csv")


def is_sweep_id(text: str) -> bool:
    """True if it looks like `20260614-0210-lstm-attention-3f9c`."""
    return _ID.fullmatch(text) is not None


def is_claim_id(text: str) -> bool:
    """True if it looks like `lstm-attention-3f9c1b2a4d5e`."""
    return _CLAIM.fullmatch(text) is not None


def name_of_id(id: str) -> str:
    """A sweep's id without its time, which `find` accepts: `lstm-attention-3f9c`."""
    return id.split("-", 2)[2]


class SweepKeys:
    """The keys of one sweep's folder. Those that end with a slash are prefixes, for listing."""

    def __init__(self, id: str) -> None:
        """Raises UserError if `id` is no sweep's id: nothing else may become part of a key."""
        if not is_sweep_id(id):
            raise UserError(f'"{id}" is no sweep id: they look like 20260614-0210-lstm-attention-3f9c')
        self.id = id

    def key(self, name: str) -> str:
        """The key of a file by its path in the folder."""
        return f"{SWEEPS}{self.id}/{name}"

    @property
    def definition_key(self) -> str:
        return self.key("sweep.json")

    @property
    def experiments_key(self) -> str:
        return self.key("experiments.csv")

    @property
    def results_key(self) -> str:
        """The merged table."""
        return self.key("results.csv")

    @property
    def stop_key(self) -> str:
        return self.key("stop")

    # -- rounds

    @property
    def rounds_key(self) -> str:
        return self.key("plan/")

    def round_key(self, number: int) -> str:
        return f"{self.rounds_key}{number}.tsv"

    def number_of_round(self, key: str) -> int | None:
        """The number of the round at `key`; None if it is no round's key."""
        matched = _ROUND.fullmatch(key.removeprefix(self.rounds_key))
        return int(matched[1]) if matched else None

    # -- trials and their attempts

    @property
    def trials_key(self) -> str:
        return self.key("trials/")

    def trial_key(self, trial: Trial, name: str = "") -> str:
        return f"{self.trials_key}{trial}/{name}"

    def result_key(self, trial: Trial, number: int = 1) -> str:
        """The key of a trial's row: number 1, or more after retries."""
        return self.trial_key(trial, "result.csv" if number == 1 else f"result-{number}.csv")

    def result_of(self, key: str) -> tuple[str, int] | None:
        """The trial and the number of the row at `key`; None if it is no row's key.

        The trial's id is taken from the key as it is and may be invalid: people can put any file there.
        """
        match = _RESULT.fullmatch(key.removeprefix(self.trials_key))
        return (match["trial"], int(match["number"] or 1)) if match else None

    def attempt_key(self, trial: Trial, attempt: str, name: str = "") -> str:
        """A file that an attempt saves, by its name."""
        return self.trial_key(trial, f"attempts/{attempt}/{name}")

    def attempt_of(self, key: str) -> tuple[str, str] | None:
        """The folder of an attempt, and the name of its file at `key`; None if it is no attempt's key."""
        trial, attempts, path = key.partition("/attempts/")
        token, slash, name = path.partition("/")
        if not attempts or not slash or not key.startswith(self.trials_key):
            return None
        return f"{trial}{attempts}{token}/", name

    def epochs_key(self, trial: Trial, attempt: str) -> str:
        return self.attempt_key(trial, attempt, "epochs.csv")

    def log_key(self, trial: Trial, attempt: str) -> str:
        return self.attempt_key(trial, attempt, "log.txt")

    # -- learning curves for TensorBoard

    @property
    def events_key(self) -> str:
        return self.key("tensorboard/")

    def event_key(self, trial: Trial, name: str) -> str:
        return f"{self.events_key}{trial}/{name}"

    def event_name(self, key: str) -> str:
        """`<trial>/<file>`: the inverse of `event_key`."""
        return key.removeprefix(self.events_key)

    # -- early stopping

    def rung_key(self, trial: Trial, epoch: int) -> str:
        """Prefix of the values that trials have after an epoch; a key for each experiment.

        Only trials of the same phase, range and seed stand below it.
        """
        return self.key(f"rungs/{trial.phase}-d{trial.range}-s{trial.seed}/{epoch}/")

    # -- leases

    @property
    def leases_key(self) -> str:
        return self.key("leases/")

    def lease_key(self, first: Trial) -> str:
        """The lease of a lane, named by the first of the lane's trials."""
        return f"{self.leases_key}{first}"

    def runner_key(self, id: str) -> str:
        """The heartbeat of a runner."""
        return f"{self.leases_key}runners/{id}"

    def runner_of(self, key: str) -> str | None:
        """The id of the runner whose heartbeat is at `key`; None for a lease."""
        folder, _, id = key.removeprefix(self.leases_key).rpartition("/")
        return id if folder == "runners" else None

    # -- the report

    def report_key(self, name: str = "") -> str:
        """A file of the report, by its path in it: `index.html`, `charts/time.svg`."""
        return self.key(f"report/{name}")

    def report_name(self, key: str) -> str:
        """The inverse of `report_key`."""
        return key.removeprefix(self.report_key())

    @property
    def page_key(self) -> str:
        """The page that people open."""
        return self.report_key("index.html")


def model_key(address: str) -> str:
    """The key of a model, from its address (`store.address.model_address`).

    Only the end of the address counts: the store may have another name here than where the model was written.
    """
    return SWEEPS + address.rpartition(f"/{SWEEPS}")[2]


def beside(key: str, name: str) -> str:
    """The key of another file in the folder of `key`."""
    return f"{key.rpartition('/')[0]}/{name}"


def doctor_key(name: str) -> str:
    """A file that `hpt doctor` writes and deletes, to test permissions in the store."""
    return f"doctor/{name}"


# -- across sweeps


def removed_key(sweep: str = "") -> str:
    """The mark of a removed sweep; without an argument, the prefix of all marks."""
    return f"removed/{sweep}"


def compared_key(sweeps: Sequence[str], name: str) -> str:
    """A file of the page that compares these sweeps: the same for the same sweeps in the same order.

    >>> compared_key(["20260614-0210-cnn-3f9c", "20260614-0215-lstm-aa01"], "index.html")
    'compared/20260614-0215-2-sweeps-6a39/index.html'
    """
    token = hashlib.sha256(" ".join(sweeps).encode()).hexdigest()[:4]
    return f"compared/{max(sweeps)[:13]}-{len(sweeps)}-sweeps-{token}/{name}"


def chosen_key(data: str, sweep: str = "") -> str:
    """The note of the ranges that a sweep chose on. `data` identifies architecture and data."""
    return _ledger_key(f"chosen/{data}", sweep)


def confirmed_key(data: str, sweep: str = "") -> str:
    """The note of the p-values of a sweep's confirmation. `data` identifies architecture and data."""
    return _ledger_key(f"confirmed/{data}", sweep)


def digest_key(series: str, sweep: str = "") -> str:
    return _ledger_key(f"digests/{series}", sweep)


def digests_key(series: str) -> str:
    """The object that holds every digest of a series."""
    return _ledger_key(f"digests/{series}", "all")


def judged_key(series: str, sweep: str = "") -> str:
    return _ledger_key(f"judged/{series}", sweep)


def claim_key(claim: str, name: str = "claim.json") -> str:
    """A file of a claim, by its path in the claim's folder. Raises UserError if `claim` is no claim's id."""
    if not is_claim_id(claim):
        raise UserError(f'"{claim}" is no claim: they look like lstm-attention-3f9c1b2a4d5e; `hpt judge` lists them')
    return f"{CLAIMS}{claim}/{name}"


def pair_key(claim: str, date_range: DateRange | None = None) -> str:
    """The scores of a claim and its incumbent on a date range; without one, the prefix of such keys."""
    return claim_key(claim, f"pairs/{date_range.start}_{date_range.end}.json" if date_range else "pairs/")


def judging_key(claim: str, number: int | None = None) -> str:
    """Note `number` of a sweep that judges a claim; without a number, the prefix of such keys."""
    return claim_key(claim, "sweeps/" if number is None else f"sweeps/{number}.json")


def remembered_row_key(identity: str) -> str:
    """The row of a finished training, by the hash that identifies the training."""
    return f"{remembered_rows_key()}{identity}.csv"


def remembered_rows_key() -> str:
    """The prefix of all remembered rows."""
    return "ledger/rows/"


def sweep_of(key: str) -> str:
    """The sweep whose file in the ledger is at `key`."""
    return key.rpartition("/")[2].removesuffix(".json")


def _ledger_key(folder: str, sweep: str) -> str:
    return f"ledger/{folder}/{sweep}.json" if sweep else f"ledger/{folder}/"
