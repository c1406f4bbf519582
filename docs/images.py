"""Takes the picture of a summary that the README shows: python docs/images.py REPORT/index.html docs/images/summary.png"""

import sys
from pathlib import Path

from tests.browser import browser


def main() -> None:
    page_file, picture = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    with browser() as chromium:
        page = chromium.new_page(viewport={"width": 1180, "height": 860}, device_scale_factor=1.5)
        page.goto(page_file.as_uri())
        page.screenshot(path=picture)


if __name__ == "__main__":
    main()
