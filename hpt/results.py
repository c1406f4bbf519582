"""Tables of results, at the path that they have in the wheel."""

from pipeline.results import read_csv

__all__ = ["read_csv"]
