"""Draws the house: a box for each room in the table of tests/test_house.py.

`python -m docs.house > docs/images/house.svg`
"""

from html import escape

from tests.test_house import MAY_IMPORT

PURPOSES = {
    "cli": "errors become lines and exit codes",
    "verbs": "parse, call, print",
    "screen": "tables and live bars",
    "local": "the runner on this machine",
    "adopt": "hpt init: a team's own repository",
    "jenkins": "REST client, parameters, publishing",
    "compare": "several sweeps, night by night",
    "trials": "attempts, rows, early stopping",
    "report": "one sweep: state, answer, page",
    "plan": "spec to definition, round to round",
    "analysis": "what rows say, in numbers",
    "sweep": "definition, folder, merge, ledger",
    "spec": "the JSON and its mistakes",
    "training": "networks, loop, own trainers",
    "data": "reading and encoding; no torch",
    "search": "strategies and spaces",
    "store": "a directory or a bucket",
}
STOREYS = {
    "doors": ("cli", "verbs", "adopt", "jenkins", "screen", "local"),
    "stages": ("compare", "trials", "report", "plan"),
    "knowledge": ("analysis", "sweep", "spec"),
    "machinery": ("training", "data", "search", "store"),
}
COLOURS = {"doors": "#dce9f5", "stages": "#e3f1e1", "knowledge": "#faf0d7", "machinery": "#f3e3e3"}
GROUND = "ground: errors, base, dates, places, space, results, provenance (every room stands on it)"
WIDTH, HEIGHT, STEP, MARGIN = 240, 44, 70, 20


def below(room: str) -> set[str]:
    """The rooms that a room may import."""
    return set(MAY_IMPORT[room].split())


def floor(room: str) -> int:
    """Floor of a room, from 1: the length of its longest chain of imports."""
    return 1 + max((floor(other) for other in below(room)), default=0)


def nearest(room: str) -> set[str]:
    """The rooms that a room imports, without those that another of them imports. Arrows lead to these."""
    return {other for other in below(room) if not any(other in below(between) for between in below(room))}


def svg() -> str:
    """The picture of the house."""
    # The place of each room: the middle of its upper edge.
    rooms = [room for storey in STOREYS.values() for room in storey]
    floors = {at: [room for room in rooms if floor(room) == at] for at in range(1, 1 + max(map(floor, rooms)))}
    across, top = max(map(len, floors.values())), max(floors)
    width = 2 * MARGIN + across * (WIDTH + 2 * MARGIN)
    places: dict[str, tuple[float, float]] = {}
    for at, row in floors.items():
        for number, room in enumerate(row):
            places[room] = width * (number + 0.5) / len(row), MARGIN + (top - at) * STEP
    bottom = MARGIN + top * STEP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom + HEIGHT + MARGIN}" role="img" '
        'aria-label="The rooms of the house, each above those that it imports" font-family="sans-serif" '
        'font-size="13">',
        f'<rect width="{width}" height="{bottom + HEIGHT + MARGIN}" fill="#ffffff"/>',
    ]
    # Arrows first, so that boxes cover their ends.
    for room in rooms:
        x, y = places[room]
        for other in sorted(nearest(room)):
            to_x, to_y = places[other]
            parts.append(
                f'<path d="M{x:g} {y + HEIGHT:g} C{x:g} {y + STEP:g} {to_x:g} {to_y - HEIGHT / 2:g} {to_x:g} {to_y:g}" '
                'fill="none" stroke="#7a8590"/>'
            )
    for storey, names in STOREYS.items():
        for room in names:
            x, y = places[room]
            parts += [
                f'<rect x="{x - WIDTH / 2:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="6" '
                f'fill="{COLOURS[storey]}" stroke="#59636e"><title>{storey}</title></rect>',
                f'<text x="{x:g}" y="{y + 18:g}" text-anchor="middle" font-weight="bold">{room}</text>',
                f'<text x="{x:g}" y="{y + 35:g}" text-anchor="middle" font-size="11">{escape(PURPOSES[room])}</text>',
            ]
    parts += [
        f'<rect x="{MARGIN}" y="{bottom}" width="{width - 2 * MARGIN}" height="{HEIGHT - 8}" fill="#e8e8e8"/>',
        f'<text x="{width / 2:g}" y="{bottom + 23}" text-anchor="middle">{escape(GROUND)}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    print(svg(), end="")
