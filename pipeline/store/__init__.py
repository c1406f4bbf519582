"""The store of sweeps: a directory or a bucket, behind one small interface.

Here: objects under relative, `/`-separated keys (`sweeps/<id>/results.csv`). `keys.py` checks keys. A key is
never also a folder: with `a/b` there is no object `a`. Not here: the meaning of keys, which is in `sweep/layout.py`.
"""

from pipeline.store.address import open_store
from pipeline.store.interface import Entry, Store, content_of

__all__ = ["Entry", "Store", "content_of", "open_store"]
