"""The geometry of a chart of error (upwards) against training time: a point per sweep, a horizontal line per reference.

The template draws it as inline SVG and chooses the colours.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.compare.ranking import Place, Ranking
from pipeline.report.references import CONSTANT
from pipeline.report.words import duration

WIDTH, HEIGHT = 760, 380
_LEFT, _TOP, _BOTTOM, _RIGHT = 78, 36, 52, 170
"""Margins in pixels. Left, top and bottom hold the axes' labels and titles, right holds the references' names."""
_LETTER, _LINE = 7.8, 18
"""Width of a wide letter, and height of a line of text, in pixels."""
_DOT = 6
_FAR = 5.0
"""A reference is not drawn if it is more than this many times above all sweeps, or below: they would be squeezed."""
_LARGEST_PART = 0.5
"""The constant is not drawn if it would take more than this share of the axis."""
_LEAST_SPAN = 0.1
"""For that share, the other errors count as spread over at least this share of their size, even if they are equal."""


@dataclass(frozen=True)
class Tick:
    """A mark on an axis, at this pixel, with its label."""

    at: float
    text: str


@dataclass(frozen=True)
class Dot:
    """A sweep's point and its name beside it."""

    x: float
    y: float
    text: str
    text_x: float
    text_y: float
    is_left: bool
    """True if the text ends at `text_x` instead of beginning there."""
    is_first: bool
    """True for the sweep that the ranking puts first."""
    title: str
    """The text that appears under the mouse."""


@dataclass(frozen=True)
class Level:
    """A reference's line and its name."""

    y: float
    text: str
    text_y: float


@dataclass(frozen=True)
class Picture:
    """The whole drawing, in pixels."""

    left: float
    right: float
    bottom: float
    x_ticks: tuple[Tick, ...]
    """Ticks of the training time."""
    y_ticks: tuple[Tick, ...]
    """Ticks of the error."""
    dots: tuple[Dot, ...]
    levels: tuple[Level, ...]
    unseen: tuple[str, ...]
    """Names of sweeps that are not drawn, as they have no error or no training time."""
    far: tuple[str, ...]
    """References that are not drawn, as they would lie too far from the sweeps: `the constant 90`."""
    cost: str
    error: str
    """Titles of the axes."""
    alt: str
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True)
class _Axis:
    """Maps values to pixels."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool

    @property
    def in_words(self) -> str:
        return " (log scale)" if self.is_log else ""

    def __call__(self, value: float) -> float:
        low, high, at = (math.log(number) if self.is_log else number for number in (self.low, self.high, value))
        return round(self.start + (at - low) / (high - low) * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """Round values on the axis, few enough to read: at most six on a logarithmic axis."""
        if self.is_log:
            exponents = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            for steps in ((1, 2, 5), (1, 3), (1,)):
                values = [step * 10.0**exponent for exponent in exponents for step in steps]
                inside = [value for value in values if self.low <= value <= self.high]
                if len(inside) <= 6:
                    break
            if len(inside) >= 2:
                return inside
        rough = (self.high - self.low) / 4
        size = 10.0 ** math.floor(math.log10(rough))
        step = next(size * by for by in (1, 2, 5, 10) if size * by >= rough)
        first = math.ceil(self.low / step)
        return [step * at for at in range(first, math.floor(self.high / step) + 1)]


def picture(ranking: Ranking) -> Picture | None:
    """The chart of a ranking; None unless at least two sweeps have a score and a training time."""
    drawn = [place for place in ranking.places if place.score is not None and place.seconds > 0]
    if len(drawn) < 2:
        return None
    levels, far = _levels(drawn)
    metric = ranking.base.state.sweep.definition.objective.test
    errors = [place.score for place in drawn if place.score is not None]
    x = _axis([place.seconds for place in drawn], _LEFT, WIDTH - _RIGHT)
    y = _axis([*errors, *levels.values()], HEIGHT - _BOTTOM, _TOP)
    return Picture(
        left=_LEFT,
        right=WIDTH - _RIGHT,
        bottom=HEIGHT - _BOTTOM,
        x_ticks=tuple(_without_crowding(Tick(x(value), text) for value, text in _times(x))),
        y_ticks=tuple(Tick(y(value), f"{value:.4g}") for value in y.ticks()),
        dots=tuple(_dots(ranking, drawn, x, y, [y(score) for score in levels.values()])),
        levels=tuple(_with_room({name: y(score) for name, score in levels.items()})),
        unseen=tuple(place.name for place in ranking.places if place not in drawn),
        far=far,
        cost="training time" + x.in_words,
        error=metric + y.in_words,
        alt=_alt(metric, drawn, levels),
    )


def _levels(drawn: Sequence[Place]) -> tuple[dict[str, float], tuple[str, ...]]:
    """{reference to draw: score}, by the first sweep that measured references; and the others, `the constant 90`."""
    measured = next((place.references.references for place in drawn if place.references), ())
    scores = {reference.name: reference.score for reference in measured if reference.score is not None}
    errors = [place.score for place in drawn if place.score is not None]
    low, high = min(errors), max(errors)
    near = {
        name: score
        for name, score in scores.items()
        if not (low > 0 and score > 0) or low / _FAR <= score <= high * _FAR
    }
    if CONSTANT in near and _takes_most(near[CONSTANT], [*errors, *(near[name] for name in near if name != CONSTANT)]):
        del near[CONSTANT]
    return near, tuple(f"{name} {score:.4g}" for name, score in scores.items() if name not in near)


def _takes_most(score: float, others: Sequence[float]) -> bool:
    """True if the score would take more than `_LARGEST_PART` of the axis from the others."""
    is_log = min(score, *others) > 0
    low, high, at = (math.log(number) if is_log else number for number in (min(others), max(others), score))
    span = max(high - low, _LEAST_SPAN * (1.0 if is_log else max(map(abs, others))))
    return max(low - at, at - high) > span * _LARGEST_PART / (1 - _LARGEST_PART)


def _axis(values: Sequence[float], start: float, end: float) -> _Axis:
    low, high = min(values), max(values)
    if low > 0 and high / low > 3:
        room = (high / low) ** 0.08
        return _Axis(low / room, high * room, start, end, is_log=True)
    room = 0.1 * (high - low) or 0.1 * abs(high) or 1.0
    return _Axis(low - room, high + room, start, end, is_log=False)


def _times(axis: _Axis) -> list[tuple[float, str]]:
    """Ticks at usual times, like 5 min, on an axis of seconds; the axis's round values if fewer than two fit."""
    units = ((1, "s"), (60, "min"), (3600, "h"))
    usual = {
        count * seconds: f"{count} {unit}"
        for seconds, unit in units
        for count in (1, 2, 3, 5, 10, 15, 20, 30, 45, *((60, 100, 200, 500, 1000) if unit == "h" else ()))
    }
    inside = [(float(value), text) for value, text in sorted(usual.items()) if axis.low <= value <= axis.high]
    return inside if len(inside) > 1 else [(value, duration(value)) for value in axis.ticks()]


def _dots(ranking: Ranking, drawn: Sequence[Place], x: _Axis, y: _Axis, levels: Sequence[float]) -> Iterator[Dot]:
    """The points. Each name avoids all other points and names and, if possible, the lines of references."""
    lines = [(_LEFT, level - 1, WIDTH - _RIGHT, level + 1) for level in levels]
    centres = [(x(place.seconds), y(place.score or 0.0)) for place in drawn]
    occupied = [(at_x - _DOT, at_y - _DOT, at_x + _DOT, at_y + _DOT) for at_x, at_y in centres]
    for place, (at_x, at_y) in zip(drawn, centres, strict=True):
        options = [
            (at_x + (-1 if is_left else 1) * (_DOT + 4), at_y + 5 + line * _LINE, is_left)
            for line in (0, -1, 1, -2, 2)
            for is_left in ((True, False) if at_x > WIDTH / 2 else (False, True))
        ]
        boxes = [_box(place.name, *option) for option in options]
        free = [at for at, box in enumerate(boxes) if _is_inside(box) and not _hits(box, occupied)]
        at = next((at for at in free if not _hits(boxes[at], lines)), next(iter(free), 0))
        occupied.append(boxes[at])
        text_x, text_y, is_left = options[at]
        yield Dot(
            x=at_x,
            y=at_y,
            text=place.name,
            text_x=round(text_x, 1),
            text_y=round(text_y, 1),
            is_left=is_left,
            is_first=place is ranking.places[0],
            title=f"{place.name}: {place.score:.4g}, {duration(place.seconds)} of training",
        )


_Box = tuple[float, float, float, float]


def _box(text: str, x: float, y: float, is_left: bool) -> _Box:
    width = _LETTER * len(text)
    return (x - width if is_left else x, y - 13, x if is_left else x + width, y + 4)


def _is_inside(box: _Box) -> bool:
    return box[0] >= _LEFT and box[2] <= WIDTH - _RIGHT and box[1] >= _TOP / 2 and box[3] <= HEIGHT - _BOTTOM


def _hits(box: _Box, others: Sequence[_Box]) -> bool:
    return any(box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3] for other in others)


def _with_room(levels: dict[str, float]) -> Iterator[Level]:
    """The references from top to bottom, with names so far apart that none covers another."""
    below = -math.inf
    for name, y in sorted(levels.items(), key=lambda item: item[1]):
        text_y = max(y + 4, below + _LINE)
        below = text_y
        yield Level(y, name, round(text_y, 1))


def _without_crowding(ticks: Iterator[Tick]) -> Iterator[Tick]:
    """The ticks, from left to right, without those whose labels would touch the label before."""
    end = -math.inf
    for tick in ticks:
        half = _LETTER * len(tick.text) / 2
        if tick.at - half > end + _LETTER:
            end = tick.at + half
            yield tick


def _alt(metric: str, drawn: Sequence[Place], levels: dict[str, float]) -> str:
    points = [f"{place.name} {place.score:.4g} for {duration(place.seconds)}" for place in drawn]
    lines = [f"{name} {score:.4g}" for name, score in levels.items()]
    return f"{metric} against training time: {'; '.join(points)}" + (
        f"; references: {', '.join(lines)}" if lines else ""
    )
