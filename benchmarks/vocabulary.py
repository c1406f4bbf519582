"""What does an embedding of many rows cost, if each step writes only those that its batch reads?

Made-up rows of seven tokens whose frequencies fall as words' do (Zipf). The same training on one CPU thread, with AdamW
over all rows as torch does it and with rows brought up to date when they are read (`pipeline/training/lazy_adamw.py`).

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
    of_token = random.normal(size=vocabulary)

    def part(count: int) -> Part:
        tokens: NDArray[np.int64] = 1 + random.choice(vocabulary - 1, size=(count, LENGTH), p=shares / shares.sum())
        targets = (of_token[tokens].mean(axis=1, keepdims=True) + random.normal(size=(count, 1))).astype(np.float32)
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
    asked = parser.parse_args()
    torch.set_num_threads(1)
    is_faster = lazy_adamw.is_faster
    print(
        f"{'':16}{'vocabulary':>11}{'read':>7}{'all rows/s':>12}{'late/s':>10}{'ratio':>7}{'used':>6}  mse_test of both"
    )
    for name in asked.architectures:
        for vocabulary in (5_000, 10_000, 20_000, 50_000, 100_000, 200_000):
            dataset = made_up(vocabulary, asked.rows)
            read = len(np.unique(dataset.train.tokens[:BATCH]))
            (dense, one), (late_, other) = (measure(name, dataset, lazy) for lazy in (False, True))
            used = is_faster(vocabulary, dataset.train.tokens, BATCH, torch.device("cpu"))
            figures = f"{vocabulary:11,}{read:7,}{dense:12,.0f}{late_:10,.0f}{late_ / dense:7.2f}"
            print(f"{name:16}{figures}{'yes' if used else 'no':>6}  {one:.6f} {other:.6f}", flush=True)


if __name__ == "__main__":
    main()
