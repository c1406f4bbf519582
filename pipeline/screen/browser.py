"""Opens a page in the reader's browser, where there is a screen to see it on."""

import os
import sys
import webbrowser
from pathlib import Path


def open_in_browser(link: str) -> bool:
    """Opens an address or a file. False, and nothing done, without a screen: over SSH, in a container, in a build."""
    has_screen = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    if not has_screen:
        return False
    try:
        return webbrowser.open(link if link.startswith("https://") else Path(link).as_uri())
    except (webbrowser.Error, OSError):
        return False
