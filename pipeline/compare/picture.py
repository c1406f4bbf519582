"""Error against cost: a point per sweep and a line per reference, as the geometry of a drawing.

The template draws it as inline SVG, in the page's own colours; nothing here knows them.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.compare.ranking import Place, Ranking
from pipeline.report.references import CONSTANT
from pipeline.report.words import duration

WIDTH, HEIGHT = 760, 380
_LEFT, _TOP, _BOTTOM, _RIGHT = 78, 36, 52, 170
"""Margins: of the axes' labels and titles, and on the right of the references' names."""
_LETTER, _LINE = 7.8, 18
"""Pixels of a wide letter and of a line of text."""
_DOT = 6
_FAR = 5.0
"""A reference so many times worse than the worst sweep would press all others into a line."""
_LARGEST_PART = 0.5
"""Of the axis, that the constant may take for itself: it is what nobody would ship."""
_LEAST_SPAN = 0.1
"""Errors that differ by less, as a share, are drawn as if they differed by that much when this is decided."""


@dataclass(frozen=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True)
class Dot:
    """A sweep."""

    x: float
    y: float
    text: str
    text_x: float
    text_y: float
    is_left: bool
    """Whether the text ends at `text_x`, instead of beginning there."""
    is_first: bool
    title: str


@dataclass(frozen=True)
class Level:
    """A reference."""

    y: float
    text: str
    text_y: float


@dataclass(frozen=True)
class Picture:
    """The whole drawing, in pixels."""

    left: float
    right: float
    bottom: float
    across: tuple[Tick, ...]
    """Of the cost."""
    up: tuple[Tick, ...]
    """Of the error."""
    dots: tuple[Dot, ...]
    levels: tuple[Level, ...]
    unseen: tuple[str, ...]
    """Sweeps without an error to draw."""
    far: tuple[str, ...]
    """References that lie far beyond the picture, in words."""
    cost: str
    error: str
    """What the axes show: a log axis says so."""
    alt: str
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True)
class _Axis:
    """From values to pixels."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool

    @property
    def in_words(self) -> str:
        return " (log scale)" if self.is_log else ""

    def __call__(self, value: float) -> float:
        low, high, at = (math.log(one) if self.is_log else one for one in (self.low, self.high, value))
        return round(self.start + (at - low) / (high - low) * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """Round values inside, few enough to be read."""
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
    """None where fewer than two sweeps have a score and took time."""
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
        across=tuple(_without_crowding(Tick(x(value), text) for value, text in _times(x))),
        up=tuple(Tick(y(value), f"{value:.4g}") for value in y.ticks()),
        dots=tuple(_dots(ranking, drawn, x, y, [y(score) for score in levels.values()])),
        levels=tuple(_with_room({name: y(score) for name, score in levels.items()})),
        unseen=tuple(place.name for place in ranking.places if place not in drawn),
        far=far,
        cost="training time" + x.in_words,
        error=metric + y.in_words,
        alt=_alt(metric, drawn, levels),
    )


def _levels(drawn: Sequence[Place]) -> tuple[dict[str, float], tuple[str, ...]]:
    """The scores of references by name, as the first sweep that has them measured; and those too far away."""
    lines = next((place.references.references for place in drawn if place.references), ())
    scores = {line.name: line.score for line in lines if line.score is not None}
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
    """Whether an axis that holds this score, too, has less than half of itself left for the others."""
    is_log = min(score, *others) > 0
    low, high, own = (math.log(one) if is_log else one for one in (min(others), max(others), score))
    span = max(high - low, _LEAST_SPAN * (1.0 if is_log else max(map(abs, others))))
    return max(low - own, own - high) > span * _LARGEST_PART / (1 - _LARGEST_PART)


def _axis(values: Sequence[float], start: float, end: float) -> _Axis:
    low, high = min(values), max(values)
    if low > 0 and high / low > 3:
        room = (high / low) ** 0.08
        return _Axis(low / room, high * room, start, end, is_log=True)
    room = 0.1 * (high - low) or 0.1 * abs(high) or 1.0
    return _Axis(low - room, high + room, start, end, is_log=False)


def _times(axis: _Axis) -> list[tuple[float, str]]:
    """Times that a clock has, inside an axis of seconds; where it has none, its own round values."""
    units = ((1, "s"), (60, "min"), (3600, "h"))
    every = {
        count * seconds: f"{count} {unit}"
        for seconds, unit in units
        for count in (1, 2, 3, 5, 10, 15, 20, 30, 45, *((60, 100, 200, 500, 1000) if unit == "h" else ()))
    }
    inside = [(float(value), text) for value, text in sorted(every.items()) if axis.low <= value <= axis.high]
    return inside if len(inside) > 1 else [(value, duration(value)) for value in axis.ticks()]


def _dots(ranking: Ranking, drawn: Sequence[Place], x: _Axis, y: _Axis, levels: Sequence[float]) -> Iterator[Dot]:
    """The points, each with its name where no other point or name is and, if that can be, no reference's line."""
    lines = [(_LEFT, level - 1, WIDTH - _RIGHT, level + 1) for level in levels]
    centres = [(x(place.seconds), y(place.score or 0.0)) for place in drawn]
    taken = [(left - _DOT, top - _DOT, left + _DOT, top + _DOT) for left, top in centres]
    for place, (left, top) in zip(drawn, centres, strict=True):
        options = [
            (left + (-1 if is_left else 1) * (_DOT + 4), top + 5 + line * _LINE, is_left)
            for line in (0, -1, 1, -2, 2)
            for is_left in ((True, False) if left > WIDTH / 2 else (False, True))
        ]
        boxes = [_box(place.name, *option) for option in options]
        free = [at for at, box in enumerate(boxes) if _is_inside(box) and not _hits(box, taken)]
        at = next((at for at in free if not _hits(boxes[at], lines)), next(iter(free), 0))
        taken.append(boxes[at])
        text_x, text_y, is_left = options[at]
        yield Dot(
            x=left,
            y=top,
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
    """The references from top to bottom, their names so far apart that none covers another."""
    below = -math.inf
    for name, y in sorted(levels.items(), key=lambda item: item[1]):
        text_y = max(y + 4, below + _LINE)
        below = text_y
        yield Level(y, name, round(text_y, 1))


def _without_crowding(ticks: Iterator[Tick]) -> Iterator[Tick]:
    end = -math.inf
    for tick in ticks:
        half = _LETTER * len(tick.text) / 2
        if tick.at - half > end + _LETTER:
            end = tick.at + half
            yield tick


def _alt(metric: str, drawn: Sequence[Place], levels: dict[str, float]) -> str:
    points = [f"{place.name} {place.score:.4g} for {duration(place.seconds)}" for place in drawn]
    lines = [f"{name} {score:.4g}" for name, score in levels.items()]
    return f"{metric} against training time: {'; '.join(points)}" + (f"; beside {', '.join(lines)}" if lines else "")
