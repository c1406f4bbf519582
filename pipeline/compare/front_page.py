"""The front page of a store as text: series by architecture and target, claims, every sweep, what a month cost.

It is one file that asks no host for anything; its links are relative, so that a copy of the store is a copy of it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from pipeline.compare.claims import ClaimRow
from pipeline.compare.front_line import FrontLine
from pipeline.report.templating import asset, environment
from pipeline.store import Store
from pipeline.sweep.layout import FRONT_PAGE, SweepKeys

MARK = '<meta name="generator" content="hpt front page">'
"""Only a page that holds it is written over."""
NEWEST = 15
"""Sweeps that are listed before a click."""
_MOST_POINTS = 60
_WIDTH, _HEIGHT, _MARGIN = 260.0, 56.0, 5.0

_BADGES = {
    "real": ("good", "better, real"),
    "promising": ("fair", "better, promising"),
    "not shown": ("plain", "ahead, not shown"),
    "not testable": ("plain", "ahead, not tested"),
    "kept": ("plain", "keep {them}"),
    "awaits": ("plain", "not judged yet"),
    "unjudged": ("plain", "nothing judged it"),
    "trained": ("plain", "trained, nothing tuned"),
    "study": ("plain", "a study"),
    "nothing": ("bad", "no result"),
}
"""Kind of verdict -> how it looks, and what it says."""


@dataclass(frozen=True)
class Unread:
    """A sweep that has no line, and why."""

    sweep: str
    why: str


@dataclass(frozen=True)
class Trend:
    """The best error of a series, sweep by sweep, as points of a small picture."""

    points: tuple[tuple[float, float, bool], ...]
    """x, y, and whether the sweep judged it."""
    beside: str
    """The incumbent's line, as SVG writes points."""
    words: str
    """The same for those who cannot see it."""
    width: float = _WIDTH
    height: float = _HEIGHT

    @property
    def line(self) -> str:
        return " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in self.points)


@dataclass(frozen=True)
class Series:
    """The sweeps of one architecture on one problem, oldest first; no studies."""

    architecture: str
    lines: tuple[FrontLine, ...]

    @property
    def last(self) -> FrontLine:
        """The newest sweep that is done; while none is, the newest."""
        return next((line for line in reversed(self.lines) if line.done), self.lines[-1])

    @property
    def seconds(self) -> float:
        return sum(line.seconds for line in self.lines)

    @property
    def trend(self) -> Trend | None:
        return trend(self.lines)


@dataclass(frozen=True)
class Problem:
    """What is predicted, from which data, measured how: errors of different problems say nothing to each other."""

    source: str
    target: str
    metric: str
    goal: str
    series: tuple[Series, ...]
    """The one with the newest sweep first."""


@dataclass(frozen=True)
class Month:
    """What the sweeps of a month cost."""

    name: str
    """`2026-11`."""
    sweeps: int
    trials: int
    seconds: float
    money: float | None
    """Of those sweeps whose price is known; None if none is."""
    share: float
    """Of the month that cost most, between 0 and 1."""


def page(
    store: Store, lines: Sequence[FrontLine], unread: Sequence[Unread] = (), claims: Sequence[ClaimRow] = ()
) -> str:
    """The page; `lines` from the oldest sweep to the newest. Without `claims` nothing is said of any."""
    link = store.link(FRONT_PAGE)
    is_bucket = urlsplit(link).scheme == "https"
    newest, series = [*reversed(lines)], problems(lines)
    kinds = {row.id: row.kind for row in claims}
    return (
        environment()
        .get_template("front.html")
        .render(
            mark=MARK,
            # A bucket's login leads to an address where relative links lead nowhere: this one is what they go by.
            base=link if is_bucket else None,
            place=store.root if is_bucket else link.removesuffix(f"/{FRONT_PAGE}"),
            made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            problems=series,
            trends=any(one.trend for problem in series for one in problem.series),
            claims=claims,
            known={line.sweep for line in lines},
            sweeps=newest[:NEWEST],
            older=newest[NEWEST:],
            unread=unread,
            months=months(lines),
            seconds=sum(line.seconds for line in lines),
            badge=lambda line: badge(line, kinds),
            page_of=page_of,
            style=asset("style.css") + asset("front.css"),
        )
    )


def badge(line: FrontLine, kinds: Mapping[str, str]) -> tuple[str, str]:
    """A class of the style sheet, and the verdict in a few words; `kinds` says where each claim stands."""
    if line.verdict == "claim":
        kind = kinds.get(line.claim, "gone")
        return "good" if kind == "real" else "plain", f"claim: {kind}"
    if not line.done and line.verdict == "nothing":
        return "plain", line.state
    look, words = _BADGES.get(line.verdict, ("plain", line.verdict))
    return look, words.format(them=line.incumbent)


def page_of(sweep: str) -> str:
    """The page of a sweep, as the front page links it."""
    return SweepKeys(sweep).page_key


def problems(lines: Sequence[FrontLine]) -> list[Problem]:
    """The series by what they predict; the problem with the newest sweep first."""
    found: dict[tuple[str, str, str, str], dict[str, list[FrontLine]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        if line.verdict not in ("study", "claim"):
            target = ", ".join(line.target) + (f" ({line.transform})" if line.transform else "")
            found[line.source, target, line.metric, line.goal][line.architecture].append(line)
    every = [
        Problem(*names, tuple(sorted((Series(*one) for one in _tuples(own)), key=_newest, reverse=True)))
        for names, own in found.items()
    ]
    return sorted(every, key=lambda problem: _newest(problem.series[0]), reverse=True)


def _tuples(series: dict[str, list[FrontLine]]) -> list[tuple[str, tuple[FrontLine, ...]]]:
    return [(architecture, tuple(lines)) for architecture, lines in series.items()]


def _newest(series: Series) -> str:
    return series.lines[-1].sweep


def trend(lines: Sequence[FrontLine]) -> Trend | None:
    """The best error of the newest sweeps; None where fewer than two have one."""
    scored = [(line.score, line) for line in lines if line.score is not None][-_MOST_POINTS:]
    if len(scored) < 2:
        return None
    scores = [score for score, _ in scored]
    beside = [line.incumbent_score for _, line in scored]
    known = [*scores, *(score for score in beside if score is not None)]
    low, high = min(known), max(known)
    across, up = (_WIDTH - 2 * _MARGIN) / (len(scored) - 1), _HEIGHT - 2 * _MARGIN

    def place(at: int, score: float) -> tuple[float, float]:
        share = (score - low) / (high - low) if high > low else 0.5
        return _MARGIN + at * across, _HEIGHT - _MARGIN - share * up

    line = scored[-1][1]
    best = min(scores) if line.goal == "minimize" else max(scores)
    return Trend(
        points=tuple((*place(at, score), one.judged) for at, (score, one) in enumerate(scored)),
        beside=" ".join("{:.1f},{:.1f}".format(*place(at, one)) for at, one in enumerate(beside) if one is not None),
        words=f"{line.metric}_test of {len(scored)} sweeps, oldest first: {scores[0]:.4g} at first, "
        f"{scores[-1]:.4g} at last, {best:.4g} at best.",
    )


def months(lines: Sequence[FrontLine]) -> list[Month]:
    """What the sweeps that began in a month cost; the newest month first."""
    by_month: dict[str, list[FrontLine]] = defaultdict(list)
    for line in lines:
        by_month[line.created[:7]].append(line)
    most = max((sum(line.seconds for line in own) for own in by_month.values()), default=0.0)
    return [_month(name, own, most) for name, own in sorted(by_month.items(), reverse=True)]


def _month(name: str, lines: Sequence[FrontLine], most: float) -> Month:
    seconds = sum(line.seconds for line in lines)
    prices = [line.money for line in lines if line.money is not None]
    return Month(
        name=name,
        sweeps=len(lines),
        trials=sum(line.trials for line in lines),
        seconds=seconds,
        money=sum(prices) if prices else None,
        share=seconds / most if most else 0.0,
    )
