"""The fingerprint of rows: whether two trainings read the same data, whatever became of them in an encoder.

Days and named columns count, each value as it is understood: a number, or a text. So the same table as CSV and as
Parquet has one fingerprint, and so has a spec that lists its columns in another order. Which of them can be compared is
for `results.py` to say.
"""

import hashlib

import numpy as np
import pandas as pd

from pipeline.data import date_parts
from pipeline.data.encoder import labels_of
from pipeline.data.raw import Columns, Rows, numbers
from pipeline.results import ROWS_FINGERPRINT


def fingerprint(rows: Rows, columns: Columns) -> str:
    """`rows-3f9c1b2a4d5e6f70`: a hash of rows that all have every target, in their order.

    Numbers are hashed as float64, texts and categories as text; a missing value differs from any other.
    """
    digest = hashlib.sha256(rows.days.astype("datetime64[D]").astype("<i8").tobytes())

    # Sorted, so that the order in which a spec names its columns does not count.
    for name in sorted({*columns.numeric, *(target.name for target in columns.targets)}):
        values = numbers(rows.frame[name]) + 0.0  # -0.0 and 0.0 are the same number
        values[np.isnan(values)] = np.nan
        digest.update(f"number {name}\0".encode(errors="surrogatepass") + values.astype("<f8").tobytes())
    for name in sorted({*columns.categorical, *columns.text}):
        codes, labels = labels_of(rows.frame[name])
        # 5 and 5.0 are two values with one label.
        codes, distinct = pd.factorize(np.array(labels, dtype=object)[codes])
        digest.update(f"text {name}\0".encode(errors="surrogatepass") + codes.astype("<i8").tobytes())
        for label in distinct:
            encoded = str(label).encode(errors="surrogatepass")
            digest.update(f"{len(encoded)} ".encode() + encoded)
    for name, part in sorted(columns.date_parts):
        parts = np.nan_to_num(date_parts.values_of(rows.frame[name], part).to_numpy(np.float64), nan=-1.0)
        digest.update(f"{part} {name}\0".encode(errors="surrogatepass") + parts.astype("<f8").tobytes())
    return ROWS_FINGERPRINT + digest.hexdigest()[:16]
