"""Compares lazy AdamW, which updates only the rows of an embedding that a batch reads, with torch's AdamW.

The data are made up: rows of seven tokens, with the frequencies of words (Zipf). The same training runs with both on
one CPU thread. The lazy version is `pipeline/training/lazy_adamw.py`.

    python -m benchmarks.vocabulary [--rows 200000] [--architectures bag-of-words lstm]
"""

import argparse

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.data.dataset import Dataset, Part
from pipeline.data.encoder import Encoder
from pipeline.data.inputs import Inputs
from pipeline.data.raw import Columns, Target
from pipeline.training import lazy_adamw, loop

LENGTH, BATCH = 7, 1024


def made_up(vocabulary: int, rows: int) -> Dataset:
    random = np.random.default_rng(0)
    shares = 1 / np.arange(1, vocabulary)
    effects = random.normal(size=vocabulary)

    def part(count: int) -> Part:
        tokens: NDArray[np.int64] = 1 + random.choice(vocabulary - 1, size=(count, LENGTH), p=shares / shares.sum())
        targets = (effects[tokens].mean(axis=1, keepdims=True) + random.normal(size=(count, 1))).astype(np.float32)
        return Part(tokens, random.normal(size=(count, 1)).astype(np.float32), targets)

    encoder = Encoder(Columns((Target("y"),)), (), 0, (), (), ())
    return Dataset(Inputs(vocabulary, LENGTH, 1, 1), part(rows), part(BATCH), part(BATCH), ("y",), encoder, "made-up")


def measure(architecture: str, dataset: Dataset, lazy: bool) -> tuple[float, float]:
    lazy_adamw.is_faster = lambda *_: lazy
    outcome = loop.train(architecture, {"batch_size": BATCH}, dataset, seed=0, max_epochs=1)
    return outcome.metrics["examples_per_second"], outcome.metrics["mse_test"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--architectures", nargs="+", default=["bag-of-words"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    is_faster = lazy_adamw.is_faster
    print(
        f"{'':16}{'vocabulary':>11}{'read':>7}{'all rows/s':>12}{'late/s':>10}{'ratio':>7}{'used':>6}  mse_test of both"
    )
    for name in options.architectures:
        for vocabulary in (5_000, 10_000, 20_000, 50_000, 100_000, 200_000):
            dataset = made_up(vocabulary, options.rows)
            read = len(np.unique(dataset.train.tokens[:BATCH]))
            (dense, dense_mse), (lazy, lazy_mse) = (measure(name, dataset, is_lazy) for is_lazy in (False, True))
            used = is_faster(vocabulary, dataset.train.tokens, BATCH, torch.device("cpu"))
            figures = f"{vocabulary:11,}{read:7,}{dense:12,.0f}{lazy:10,.0f}{lazy / dense:7.2f}"
            print(f"{name:16}{figures}{'yes' if used else 'no':>6}  {dense_mse:.6f} {lazy_mse:.6f}", flush=True)


if __name__ == "__main__":
    main()
