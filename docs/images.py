"""Takes the pictures of a summary that the README and docs/report.md show, from a sweep that really ran:

hpt run specs/quickstart.json --store /tmp/store
python -m docs.images /tmp/store/sweeps/<id>/report docs/images
"""

import sys
from pathlib import Path

from tests.support.browser import browser, published

_WIDTH = 1180


def main() -> None:
    report, pictures = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    with browser() as chromium, published(report) as address:
        page = chromium.new_page(viewport={"width": _WIDTH, "height": 860}, device_scale_factor=1.5)
        page.goto(f"{address}/index.html")
        page.screenshot(path=pictures / "summary.png")
        for name, title in (("pictures", "What was tried"), ("mattered", "What mattered")):
            heading = page.get_by_role("heading", name=title, exact=True)
            page.locator("section", has=heading).screenshot(path=pictures / f"{name}.png")
        page.locator("svg.strip").screenshot(path=pictures / "calendar.png")


if __name__ == "__main__":
    main()
