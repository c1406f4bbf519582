"""Changes an object that several processes write, without losing a change of another process.

Reads it, computes its new content, and writes that only if nobody has written since the read.
"""

import random
import time
from collections.abc import Callable

from pipeline.store.interface import Store

_FIRST_PAUSE_S = 0.02
_PAUSE_AT_MOST_S = 2.0


def update(store: Store, key: str, change: Callable[[bytes], bytes]) -> None:
    """Replaces the content of the object by `change(content)`; `content` is b"" if there is no object.

    `change` is called again whenever another process wrote in between, so it must have no side effects. If it returns
    its argument, nothing is written.
    """
    pause = _FIRST_PAUSE_S
    while True:
        try:
            content, version = store.read_versioned(key)
        except FileNotFoundError:
            content, version = b"", None
        changed = change(content)
        if changed == content or store.replace(key, changed, version):
            return
        # A pause, because a bucket takes about one update of an object per second. Then another process may have made
        # the same change.
        time.sleep(random.uniform(0, pause))
        pause = min(2 * pause, _PAUSE_AT_MOST_S)
