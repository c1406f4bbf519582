"""Labels of packs: a short line for people, on a stage in Jenkins and on a bar of a terminal.

Text from a spec is reduced to letters, digits and a few harmless signs, and its length is bounded.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from pipeline.dates import DateRange
from pipeline.plan.packing import Planned
from pipeline.results import to_cell
from pipeline.space import Scalar, key
from pipeline.sweep import Definition

AT_MOST = 100
"""The most characters of a label."""
_NAMES_AT_MOST = 2
"""The most hyperparameters that a label names."""
_VALUES_AT_MOST = 3
"""The most values of a hyperparameter that a label lists; of more, it says how many."""
_WORD_AT_MOST = 30
"""The most characters of a name or a value from a spec."""
_SIGNS = " _-+.,:%/=()[]–…"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def labels(definition: Definition, packs: Iterable[Sequence[Planned]]) -> list[str]:
    """A label for each pack of a round, all different.

    For example `Jan–Mar: 8 settings, learning_rate 0.0003–0.03` or `Jan–Mar: references linear, trees`.
    """
    used: dict[str, int] = {}
    different = []
    for pack in packs:
        label = shortened(_label(definition, pack))
        used[label] = used.get(label, 0) + 1
        different.append(shortened(label, f" ({used[label]})") if used[label] > 1 else label)
    return different


def shortened(text: str, end: str = "") -> str:
    """The text followed by `end`; the text is cut if both together are too long for a label."""
    room = AT_MOST - len(end)
    return (text if len(text) <= room else text[: room - 1] + "…") + end


def range_in_words(date_range: DateRange, *, year: bool = False) -> str:
    """`Jan–Mar` for whole months, `Jan` for one, else `5 Jan–9 Feb`; with the `year`, `Jan–Mar 2024`."""
    first, last = date_range.start, date_range.end - timedelta(days=1)
    whole = first.day == date_range.end.day == 1
    day = "" if whole else f"{first.day} "
    begin, end = f"{day}{_MONTHS[first.month - 1]}", f"{'' if whole else f'{last.day} '}{_MONTHS[last.month - 1]}"
    if year:
        begin, end = f"{begin} {first.year}" if first.year != last.year else begin, f"{end} {last.year}"
    return end if (first.year, begin) == (last.year, end.removesuffix(f" {last.year}")) else f"{begin}–{end}"


def _label(definition: Definition, pack: Sequence[Planned]) -> str:
    phase = definition.phase(pack[0][1].phase)
    trials = [trial for _, trial in pack]
    # Months are ambiguous in a sweep of several years.
    ranges = [date_range for each in definition.phases for date_range in each.ranges]
    years = {day.year for days in ranges for day in (days.start, days.end - timedelta(days=1))}
    date_range = range_in_words(phase.ranges[trials[0].range], year=len(years) > 1)
    if phase.is_reference:
        return f"{date_range}: references {', '.join(dict.fromkeys(trial.experiment for trial in trials))}"
    settings = len({trial.experiment for trial in trials})
    seeds = len({trial.seed for trial in trials})
    text = f"{date_range}: {'confirming ' if phase.judges else ''}{settings} setting{'s' if settings > 1 else ''}"
    if seeds > 1:
        text += f" with {seeds} seeds"
    return text if phase.judges else ", ".join([text, *_differences(phase.space, pack)])


def _differences(names: Iterable[str], pack: Sequence[Planned]) -> list[str]:
    """The hyperparameters with the most different values in a pack, like `learning_rate 0.0003–0.03`.

    For a pack of one setting, its first hyperparameters.
    """
    assignments = [experiment.assignment for experiment, _ in pack]
    values = {
        name: {key(assignment[name]): assignment[name] for assignment in assignments}
        for name in names
        if all(name in assignment for assignment in assignments)
    }
    most = max((len(different) for different in values.values()), default=0)
    differing = [name for name in values if len(values[name]) > 1 or most == 1]
    differing.sort(key=lambda name: -len(values[name]))
    return [f"{_plain(name)} {_values_in_words(list(values[name].values()))}" for name in differing[:_NAMES_AT_MOST]]


def _values_in_words(values: Sequence[Scalar]) -> str:
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) == len(values):
        low, high = _number(min(numbers)), _number(max(numbers))
        return low if low == high else f"{low}–{high}"
    if len(values) > _VALUES_AT_MOST:
        return f"{len(values)} values"
    return "/".join(_plain(to_cell(value)) for value in values)


def _number(value: float) -> str:
    return f"{value:.3g}" if isinstance(value, float) else _plain(str(value))


def _plain(text: str) -> str:
    """A word of a spec, shortened, with "_" for each character that could mean something to a page, shell or table."""
    word = "".join(letter if letter.isalnum() or letter in _SIGNS else "_" for letter in text)
    return word if len(word) <= _WORD_AT_MOST else word[: _WORD_AT_MOST - 1] + "…"
