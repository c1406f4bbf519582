"""Renews every picture of README.md and docs/: `python -m docs.images`.

Runs the quickstart and its calibration (minutes on two cores), photographs their pages, and draws the house. Given the
folder of a store, it photographs the sweeps of that store instead: `python -m docs.images /tmp/tuning/hpt-store`.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from docs.house import svg
from tests.support.browser import browser, published

IMAGES = Path(__file__).parent / "images"
_ROOT = Path(__file__).parent.parent
_SPEC = str(_ROOT / "specs/quickstart.json")
_HEIGHT = 860
_FIRST_SCREENS = {"summary": (1180, "light"), "summary-dark": (1180, "dark"), "phone": (390, "light")}
"""File -> width in pixels and colour scheme."""
_PARTS = {
    "evidence": "#evidence",
    "mattered": "#mattered",
    "each": "#each",
    "best": "#best",
    "pictures": "#search",
    "calendar": "svg.strip",
}
"""File -> CSS selector of the part of the page that it shows, with all details open."""
_CALIBRATION = "charts/calibration-fidelity.svg"
_OPEN_ALL = "document.querySelectorAll('details').forEach(details => details.open = true)"


def main() -> None:
    # The page shows the path of its store, so the path should not look like a certain person's.
    store = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.gettempdir()) / "tuning/hpt-store"
    if len(sys.argv) < 2:
        shutil.rmtree(store, ignore_errors=True)
        for verb in ("run", "calibrate"):
            subprocess.run([sys.executable, "-m", "pipeline.cli", verb, _SPEC, "--store", str(store)], check=True)
    reports = [path.parent for path in sorted(store.glob("sweeps/*/report/index.html"))]
    calibrated = [report for report in reports if (report / _CALIBRATION).exists()]
    _photograph(next(report for report in reversed(reports) if report not in calibrated))
    shutil.copy(calibrated[-1] / _CALIBRATION, IMAGES / "calibration.svg")
    (IMAGES / "house.svg").write_text(svg(), encoding="utf-8")


def _photograph(report: Path) -> None:
    with browser() as chromium, published(report) as address:
        for name, (width, scheme) in _FIRST_SCREENS.items():
            size = {"width": width, "height": _HEIGHT}
            page = chromium.new_page(viewport=size, device_scale_factor=1, color_scheme=scheme)
            page.goto(f"{address}/index.html")
            page.screenshot(path=IMAGES / f"{name}.png")
            if name == "summary":
                page.screenshot(path=IMAGES / "page.png", full_page=True)
                page.evaluate(_OPEN_ALL)
                for part, selector in _PARTS.items():
                    page.locator(selector).screenshot(path=IMAGES / f"{part}.png")
            page.close()


if __name__ == "__main__":
    main()
