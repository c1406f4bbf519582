"""A runner's share of a round: it leases what it trains, and leaves to others what they train.

Again and again it looks at what others train: what has ended needs no training here, what they died under is taken.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass

from pipeline.errors import InfrastructureError
from pipeline.results import Row
from pipeline.sweep import Pack, Sweep, Trial, merge, trials_of
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

    def __init__(
        self,
        sweep: Sweep,
        leases: Leases,
        say: Callable[[str], None],
        *,
        retry: bool = False,
        every: float = 2.0,
        waits: bool = True,
    ) -> None:
        """`every` is how many seconds lie between two looks at what others do; `waits`: whether to wait for it.

        Raises InfrastructureError if the store fails.
        """
        self._sweep, self._leases, self._say, self._every, self._waits = sweep, leases, say, every, waits
        self._retry = retry
        self._before = _numbers(sweep) if retry else {}
        """Of a retry: per trial the number of the row that it has already."""
        self._lock = threading.Lock()
        self._elsewhere: list[Pack] = []
        self._looked = time.monotonic()
        self._told: frozenset[str] = frozenset()

    @property
    def is_worth_waiting(self) -> bool:
        """Whether others train what this runner would have to train if they did not."""
        return self._waits and bool(self._elsewhere)

    def claim(self, pack: Pack) -> tuple[Pack, Lease] | None:
        """The trials of a pack that fall to this runner, with the lease on them; None if there are none."""
        lease = self._leases.take(pack.trials)
        if others := tuple(trial for trial in pack.trials if trial not in lease.trials):
            with self._lock:
                self._elsewhere.append(pack.rest(others))
        trials = lease.trials
        if self._retry:  # else whoever trains them sees that they have a row
            with suppress(InfrastructureError):
                trials = self._unfinished(trials)
        if trials:
            return pack.reduced_to(trials), lease
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
        trials = list(trials_of(self._elsewhere))
        names = frozenset(runner.name for runner in now.holders_of(trials))
        if names and names != self._told:
            self._say(f"waits for {len(trials)} trials of {_in_words(names)}")
        self._told = names

    def say_what_is_left(self) -> None:
        """Says what this runner did not train since others do, if there is anything."""
        if trials := list(trials_of(self._elsewhere)):
            names = {runner.name for runner in self._leases.look().holders_of(trials)}
            self._say(f"not run, since others train them: {', '.join(map(str, trials))} ({_in_words(names)})")


def _in_words(names: Collection[str]) -> str:
    return " and ".join(sorted(names)) or "another runner"


def _numbers(sweep: Sweep) -> Mapping[str, int]:
    """Per trial that has a row, the number of the one that counts."""
    return {trial: file.number for trial, file in sweep.result_files().items()}
