"""A runner's share of a round: it leases what it trains, and leaves to others what they train.

Again and again it looks at what others train: what has ended needs no training here, what they died under is taken.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipeline.errors import InfrastructureError
from pipeline.results import Row
from pipeline.sweep import Pack, Sweep, Trial, merge
from pipeline.sweep.leases import Lease, Leases, Situation


@dataclass(frozen=True)
class News:
    """What became of trials that others trained."""

    free: tuple[Pack, ...] = ()
    """Nobody trains these any more."""
    rows: tuple[Row, ...] = ()
    """Of trials that have ended."""


class Share:
    """What of a round falls to this runner. Called from several threads."""

    def __init__(self, sweep: Sweep, leases: Leases, say: Callable[[str], None], *, retry: bool, every: float) -> None:
        """`every` is how many seconds lie between two looks at what others do. Raises InfrastructureError."""
        self._sweep, self._leases, self._say, self._every = sweep, leases, say, every
        self._retry = retry
        self._before = _numbers(sweep) if retry else {}
        """Of a retry: per trial the number of the row that it has already."""
        self._lock = threading.Lock()
        self._elsewhere: list[Pack] = []
        self._looked = time.monotonic()
        self._told: frozenset[str] = frozenset()

    @property
    def is_elsewhere(self) -> bool:
        """Whether others train something that this runner would."""
        return bool(self._elsewhere)

    def claim(self, pack: Pack) -> tuple[Pack, Lease] | None:
        """The trials of a pack that fall to this runner, with the lease on them; None if there are none."""
        lease = self._leases.take(pack.trials)
        if others := tuple(trial for trial in pack.trials if trial not in lease.trials):
            with self._lock:
                self._elsewhere.append(pack.rest(others))
        trials = self._unfinished(lease.trials) if self._retry else lease.trials
        if trials:
            return pack.rest(trials) if trials != pack.trials else pack, lease
        self._leases.give_back(lease)
        return None

    def give_back(self, lease: Lease) -> None:
        self._leases.give_back(lease)

    def news(self) -> News:
        """What became of the trials that others train, if it is time to look again. A store that fails has no news."""
        with self._lock:
            if time.monotonic() - self._looked < self._every:
                return News()
            self._looked = time.monotonic()
            try:
                return self._news()
            except InfrastructureError:
                return News()

    def _news(self) -> News:
        now = self._leases.look()
        free, busy, ended = [], [], []
        for pack in self._elsewhere:
            left = self._unfinished(pack.trials)
            ended += [str(trial) for trial in pack.trials if trial not in left]
            ours = now.free(left)
            theirs = tuple(trial for trial in left if trial not in ours)
            free += [pack.rest(ours)] if ours else []
            busy += [pack.rest(theirs)] if theirs else []
        rows = [row for row in merge.look(self._sweep).rows if row["trial"] in set(ended)] if ended else []
        self._elsewhere = busy
        self._tell(now)
        return News(tuple(free), tuple(rows))

    def _unfinished(self, trials: tuple[Trial, ...]) -> tuple[Trial, ...]:
        numbers = _numbers(self._sweep)
        return tuple(trial for trial in trials if numbers.get(str(trial), 0) <= self._before.get(str(trial), 0))

    def _tell(self, now: Situation) -> None:
        """Says for whom this runner waits, once as long as it is the same ones."""
        trials = [trial for pack in self._elsewhere for trial in pack.trials]
        names = frozenset(runner.name for runner in now.holders_of(trials))
        if names and names != self._told:
            self._say(f"waits for {len(trials)} trials of {' and '.join(sorted(names))}")
        self._told = names

    def in_words(self) -> str:
        """What others train, and who: `2 trials are being trained by a runner on gpu-1 (process 4711)`."""
        trials = [trial for pack in self._elsewhere for trial in pack.trials]
        names = sorted(runner.name for runner in self._leases.look().holders_of(trials)) or ["another runner"]
        return f"{len(trials)} trials are left to {' and '.join(names)}"


def _numbers(sweep: Sweep) -> Mapping[str, int]:
    """Per trial that has a row, the number of the one that counts."""
    return {trial: file.number for trial, file in sweep.result_files().items()}
