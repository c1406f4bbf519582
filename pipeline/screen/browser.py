"""Opens a page in the reader's browser, if this machine has a screen."""

import os
import sys
import webbrowser
from pathlib import Path


def open_in_browser(link: str) -> bool:
    """Opens an address or a file. False without a screen, as over SSH, in a container or in a build."""
    has_screen = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    if not has_screen:
        return False
    try:
        return webbrowser.open(link if link.startswith("https://") else Path(link).as_uri())
    except (webbrowser.Error, OSError):
        return False
