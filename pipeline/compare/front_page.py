"""Renders the front page of a store: series by architecture and target, claims, every sweep, the cost of each month.

The page is one file that loads nothing from other hosts. Its links are relative, so that it works in a copy of the
store.
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
"""Only a page with this mark is overwritten."""
NEWEST = 15
"""Sweeps that are listed without a click."""
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
"""Kind of verdict -> class of the style sheet, and text."""


@dataclass(frozen=True)
class Unread:
    """A sweep without a line, and the reason."""

    sweep: str
    reason: str


@dataclass(frozen=True)
class Trend:
    """The best error of a series, sweep by sweep, as points of a small SVG picture."""

    points: tuple[tuple[float, float, bool], ...]
    """x, y, and True if the sweep judged its error."""
    beside: str
    """The incumbent's line in SVG's notation of points."""
    words: str
    """The alternative text of the picture."""
    width: float = _WIDTH
    height: float = _HEIGHT

    @property
    def line(self) -> str:
        return " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in self.points)


@dataclass(frozen=True)
class Series:
    """The sweeps of one architecture on one problem, oldest first, without studies."""

    architecture: str
    lines: tuple[FrontLine, ...]

    @property
    def last(self) -> FrontLine:
        """The newest sweep that is done, or the newest of all if none is."""
        return next((line for line in reversed(self.lines) if line.done), self.lines[-1])

    @property
    def seconds(self) -> float:
        return sum(line.seconds for line in self.lines)

    @property
    def trend(self) -> Trend | None:
        return trend(self.lines)


@dataclass(frozen=True)
class Problem:
    """Data, target and metric. Errors of different problems cannot be compared."""

    source: str
    target: str
    metric: str
    goal: str
    series: tuple[Series, ...]
    """Ordered by their newest sweep, newest first."""


@dataclass(frozen=True)
class Month:
    """The cost of the sweeps that began in a month."""

    name: str
    """`2026-11`."""
    sweeps: int
    trials: int
    seconds: float
    money: float | None
    """The sum over sweeps with a price; None if there is none."""
    share: float
    """Its training time as a share of that of the most expensive month, 0 to 1."""


def page(
    store: Store, lines: Sequence[FrontLine], unread: Sequence[Unread] = (), claims: Sequence[ClaimRow] = ()
) -> str:
    """The HTML of the page; `lines` go from the oldest sweep to the newest. Without `claims` it has no such section."""
    link = store.link(FRONT_PAGE)
    is_bucket = urlsplit(link).scheme == "https"
    newest, by_problem = [*reversed(lines)], problems(lines)
    kinds = {row.id: row.kind for row in claims}
    return (
        environment()
        .get_template("front.html")
        .render(
            mark=MARK,
            # A bucket's login redirects to an address where relative links are broken, so the page names their base.
            base=link if is_bucket else None,
            place=store.root if is_bucket else link.removesuffix(f"/{FRONT_PAGE}"),
            made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            problems=by_problem,
            trends=any(series.trend for problem in by_problem for series in problem.series),
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
    """A class of the style sheet, and the verdict in a few words; `kinds` holds the state of each claim by id."""
    if line.verdict == "claim":
        kind = kinds.get(line.claim, "gone")
        return "good" if kind == "real" else "plain", f"claim: {kind}"
    if not line.done and line.verdict == "nothing":
        return "plain", line.state
    look, words = _BADGES.get(line.verdict, ("plain", line.verdict))
    return look, words.format(them=line.incumbent)


def page_of(sweep: str) -> str:
    """The link of the front page to a sweep's report."""
    return SweepKeys(sweep).page_key


def problems(lines: Sequence[FrontLine]) -> list[Problem]:
    """The series grouped by problem; the problem with the newest sweep first."""
    grouped: dict[tuple[str, str, str, str], dict[str, list[FrontLine]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        if line.verdict not in ("study", "claim"):
            target = ", ".join(line.target) + (f" ({line.transform})" if line.transform else "")
            grouped[line.source, target, line.metric, line.goal][line.architecture].append(line)
    result = []
    for problem, by_architecture in grouped.items():
        series = [Series(architecture, tuple(members)) for architecture, members in by_architecture.items()]
        result.append(Problem(*problem, tuple(sorted(series, key=_newest, reverse=True))))
    return sorted(result, key=lambda problem: _newest(problem.series[0]), reverse=True)


def _newest(series: Series) -> str:
    return series.lines[-1].sweep


def trend(lines: Sequence[FrontLine]) -> Trend | None:
    """The best error of the newest sweeps; None if fewer than two have one."""
    scored = [(line.score, line) for line in lines if line.score is not None][-_MOST_POINTS:]
    if len(scored) < 2:
        return None
    scores = [score for score, _ in scored]
    incumbent = [line.incumbent_score for _, line in scored]
    drawn = [*scores, *(score for score in incumbent if score is not None)]
    low, high = min(drawn), max(drawn)
    across, up = (_WIDTH - 2 * _MARGIN) / (len(scored) - 1), _HEIGHT - 2 * _MARGIN

    def place(at: int, score: float) -> tuple[float, float]:
        share = (score - low) / (high - low) if high > low else 0.5
        return _MARGIN + at * across, _HEIGHT - _MARGIN - share * up

    last = scored[-1][1]
    best = min(scores) if last.goal == "minimize" else max(scores)
    incumbent_places = [place(at, score) for at, score in enumerate(incumbent) if score is not None]
    return Trend(
        points=tuple((*place(at, score), line.judged) for at, (score, line) in enumerate(scored)),
        beside=" ".join(f"{x:.1f},{y:.1f}" for x, y in incumbent_places),
        words=f"{last.metric}_test of {len(scored)} sweeps, oldest first: {scores[0]:.4g} at first, "
        f"{scores[-1]:.4g} at last, {best:.4g} at best.",
    )


def months(lines: Sequence[FrontLine]) -> list[Month]:
    """The cost of each month, newest first. A sweep belongs to the month in which it began."""
    by_month: dict[str, list[FrontLine]] = defaultdict(list)
    for line in lines:
        by_month[line.created[:7]].append(line)
    most = max((sum(line.seconds for line in members) for members in by_month.values()), default=0.0)
    return [_month(name, members, most) for name, members in sorted(by_month.items(), reverse=True)]


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
