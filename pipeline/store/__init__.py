"""A store: where sweeps live, a directory or a bucket, behind one small interface; and the names of places in it.

Keys are relative, `/`-separated names (`sweeps/<id>/results.csv`); `keys.py` says which, and anything else is a
UserError. No key is the folder of another. What a key means is the business of `sweep/`; nothing here knows of sweeps.
"""

from pipeline.store.address import open_store
from pipeline.store.interface import Entry, Store

__all__ = ["Entry", "Store", "open_store"]
