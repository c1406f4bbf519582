"""Changing an object that several write at once: read, compute, and write only over what was read."""

import random
import time
from collections.abc import Callable

from pipeline.store.interface import Store

_FIRST_PAUSE_S = 0.02
_PAUSE_AT_MOST_S = 2.0


def update(store: Store, key: str, change: Callable[[bytes], bytes]) -> None:
    """Makes the object `change(content)`, where `content` is what it holds now (b"" if there is none).

    `change` is called again whenever somebody else wrote in between, so it must do no more than compute. If it gives
    back what it got, nothing is written.
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
        # A bucket takes about one update per second: whoever waits longer may find its change made already.
        time.sleep(random.uniform(0, pause))
        pause = min(2 * pause, _PAUSE_AT_MOST_S)
