"""A runner's share of a round: the runner leases the trials that it trains, and leaves those of other runners to them.

From time to time it looks at the others' trials: those that have a row are done; it takes over those of a dead runner.
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
    """Changes among the trials of other runners."""

    free: tuple[Pack, ...] = ()
    """Packs that no runner trains any more."""
    rows: tuple[Row, ...] = ()
    """Rows of trials that have ended."""


class Share:
    """The trials of a round that this runner trains, and those that it leaves. Called from several threads."""

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
        """Looks at the others' trials every `every` seconds. `waits`: True to stay in the round until they have ended.

        Raises InfrastructureError if the store fails.
        """
        self._sweep, self._leases, self._say, self._every, self._waits = sweep, leases, say, every, waits
        self._retry = retry
        self._before = _row_numbers(sweep) if retry else {}
        """For a retry: {trial: number of the row that it has already}; a row with a larger number is a new result."""
        self._lock = threading.Lock()
        self._elsewhere: list[Pack] = []
        """Trials that other runners train."""
        self._last_look = time.monotonic()
        self._announced: frozenset[str] = frozenset()
        """Names of the runners in the last message about waiting."""

    @property
    def is_worth_waiting(self) -> bool:
        """True if other runners train trials that this one would otherwise train."""
        return self._waits and bool(self._elsewhere)

    def claim(self, pack: Pack) -> tuple[Pack, Lease] | None:
        """Leases the trials of a pack that no other runner trains; None if there are none."""
        lease = self._leases.take(pack.trials)
        if others := tuple(trial for trial in pack.trials if trial not in lease.trials):
            with self._lock:
                self._elsewhere.append(pack.with_only(others))
        trials = lease.trials
        if self._retry:  # without a retry, the lane skips trials with a row itself
            with suppress(InfrastructureError):
                trials = self._unfinished(trials)
        if trials:
            return pack.reduced_to(trials), lease
        self._leases.give_back(lease)
        return None

    def give_back(self, lease: Lease) -> None:
        self._leases.give_back(lease)

    def news(self) -> News:
        """Looks at the others' trials, if it is time to look again. No news if the store fails."""
        with self._lock:
            if time.monotonic() - self._last_look < self._every:
                return News()
            self._last_look = time.monotonic()
            try:
                return self._news()
            except InfrastructureError:
                return News()

    def _news(self) -> News:
        now = self._leases.look()
        free, busy, ended = [], [], []
        for pack in self._elsewhere:
            unfinished = self._unfinished(pack.trials)
            ended += [str(trial) for trial in pack.trials if trial not in unfinished]
            ours = now.free(unfinished)
            theirs = tuple(trial for trial in unfinished if trial not in ours)
            free += [pack.with_only(ours)] if ours else []
            busy += [pack.with_only(theirs)] if theirs else []
        rows = [row for row in merge.look(self._sweep).rows if row["trial"] in set(ended)] if ended else []
        self._elsewhere = busy
        self._announce(now)
        return News(tuple(free), tuple(rows))

    def _unfinished(self, trials: tuple[Trial, ...]) -> tuple[Trial, ...]:
        """The trials without a row; for a retry, without a new row."""
        numbers = _row_numbers(self._sweep)
        return tuple(trial for trial in trials if numbers.get(str(trial), 0) <= self._before.get(str(trial), 0))

    def _announce(self, now: Situation) -> None:
        """Says which runners this one waits for, each time that they change."""
        trials = list(trials_of(self._elsewhere))
        names = frozenset(runner.name for runner in now.holders_of(trials))
        if names and names != self._announced:
            self._say(f"waits for {len(trials)} trials of {_in_words(names)}")
        self._announced = names

    def say_untrained(self) -> None:
        """Says which trials this runner left to others, if any."""
        if trials := list(trials_of(self._elsewhere)):
            names = {runner.name for runner in self._leases.look().holders_of(trials)}
            self._say(f"not run, since others train them: {', '.join(map(str, trials))} ({_in_words(names)})")


def _in_words(names: Collection[str]) -> str:
    return " and ".join(sorted(names)) or "another runner"


def _row_numbers(sweep: Sweep) -> Mapping[str, int]:
    """{trial: number of the row that counts}."""
    return {trial: file.number for trial, file in sweep.result_files().items()}
