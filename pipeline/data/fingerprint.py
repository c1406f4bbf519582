"""Fingerprints rows before encoding, to tell whether two trainings read the same data.

A fingerprint covers the days and the named columns, with values as numbers or texts. It is the same for a table as CSV
and as Parquet, and for any order of the columns in a spec. `results.is_same_data` compares fingerprints.
"""

import hashlib

import numpy as np
import pandas as pd

from pipeline.data import date_parts
from pipeline.data.encoder import labels_of
from pipeline.data.raw import Columns, Rows, numbers
from pipeline.results import ROWS_FINGERPRINT


def fingerprint(rows: Rows, columns: Columns) -> str:
    """A hash like `rows-3f9c1b2a4d5e6f70` of rows in their order. All must have every target.

    Numbers are hashed as float64, texts and categories as text. A missing value differs from any other.
    """
    digest = hashlib.sha256(rows.days.astype("datetime64[D]").astype("<i8").tobytes())

    # Sorted, so that the order of a spec's columns does not matter.
    for name in sorted({*columns.numeric, *(target.name for target in columns.targets)}):
        values = numbers(rows.frame[name]) + 0.0  # -0.0 and 0.0 are the same number
        values[np.isnan(values)] = np.nan
        digest.update(f"number {name}\0".encode(errors="surrogatepass") + values.astype("<f8").tobytes())
    for name in sorted({*columns.categorical, *columns.text}):
        codes, labels = labels_of(rows.frame[name])
        # Number the labels, not the values: 5 and 5.0 are two values with the same label.
        codes, distinct = pd.factorize(np.array(labels, dtype=object)[codes])
        digest.update(f"text {name}\0".encode(errors="surrogatepass") + codes.astype("<i8").tobytes())
        for label in distinct:
            encoded = str(label).encode(errors="surrogatepass")
            digest.update(f"{len(encoded)} ".encode() + encoded)
    for name, part in sorted(columns.date_parts):
        parts = np.nan_to_num(date_parts.values_of(rows.frame[name], part).to_numpy(np.float64), nan=-1.0)
        digest.update(f"{part} {name}\0".encode(errors="surrogatepass") + parts.astype("<f8").tobytes())
    return ROWS_FINGERPRINT + digest.hexdigest()[:16]
