"""A store: where sweeps live, a directory or a bucket, behind one small interface; and the names of places in it.

Here: objects under relative, `/`-separated keys (`sweeps/<id>/results.csv`); `keys.py` says which are possible, and no
key is the folder of another. Not here: what a key means, which is the business of `sweep/layout.py`.
"""

from pipeline.store.address import open_store
from pipeline.store.interface import Entry, Store, content_of

__all__ = ["Entry", "Store", "content_of", "open_store"]
