"""Takes the pictures of a summary that the README and docs/report.md show, from a sweep that really ran:

hpt run specs/quickstart.json --store /tmp/store
python -m docs.images /tmp/store/sweeps/<id>/report docs/images
"""

import sys
from pathlib import Path

from tests.support.browser import browser, published

_WIDTH, _PHONE = 1180, 390
_OPENED = "document.querySelectorAll('details').forEach(details => details.open = true)"


def main() -> None:
    report, pictures = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    with browser() as chromium, published(report) as address:
        for name, width, scheme in (
            ("summary", _WIDTH, "light"),
            ("summary-dark", _WIDTH, "dark"),
            ("phone", _PHONE, "light"),
        ):
            size = {"width": width, "height": 860}
            page = chromium.new_page(viewport=size, device_scale_factor=1, color_scheme=scheme)
            page.goto(f"{address}/index.html")
            page.screenshot(path=pictures / f"{name}.png")
            page.close()
        page = chromium.new_page(viewport={"width": _WIDTH, "height": 860}, device_scale_factor=1)
        page.goto(f"{address}/index.html")
        page.screenshot(path=pictures / "page.png", full_page=True)
        page.evaluate(_OPENED)
        for name, place in (
            ("evidence", "#evidence"),
            ("mattered", "#mattered"),
            ("each", "#each"),
            ("best", "#best"),
            ("pictures", "#search"),
            ("calendar", "svg.strip"),
        ):
            page.locator(place).screenshot(path=pictures / f"{name}.png")


if __name__ == "__main__":
    main()
