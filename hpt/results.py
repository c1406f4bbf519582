"""Tables of results, where the wheel has them too."""

from pipeline.results import read_csv

__all__ = ["read_csv"]
