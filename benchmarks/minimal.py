"""A plain torch loop, as a user would write it to try learning rates. Of ours it uses only the data.

As a program it trains one setting and prints its error.

    python -m benchmarks.minimal bag-of-words 0.001 3
"""

import argparse
import functools
import time
from datetime import date

import torch
from torch import Tensor, nn

from pipeline.data.dataset import Dataset
from pipeline.data.inputs import Inputs
from pipeline.data.load import load
from pipeline.data.source import FlightsSource
from pipeline.dates import DateRange
from pipeline.training import architectures

RANGE = DateRange(date(2013, 7, 1), date(2013, 10, 1))
BATCH = 1024


class BagOfWords(nn.Module):
    """The architecture, written with torch's own layers."""

    def __init__(self, inputs: Inputs) -> None:
        super().__init__()
        self.embedding = nn.EmbeddingBag(inputs.vocabulary, 64, mode="mean", padding_idx=0)
        self.head = nn.Sequential(nn.Linear(64 + inputs.dense, 64), nn.ReLU(), nn.Linear(64, inputs.targets))

    def forward(self, tokens: Tensor, dense: Tensor) -> Tensor:
        predicted: Tensor = self.head(torch.cat([self.embedding(tokens), dense], dim=1))
        return predicted

    def loss(self, tokens: Tensor, dense: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        predicted = self(tokens, dense)
        return nn.functional.mse_loss(predicted, targets), predicted


def network(architecture: str, inputs: Inputs) -> nn.Module:
    """The network of an architecture. All except bag-of-words are ordinary torch networks already."""
    return BagOfWords(inputs) if architecture == "bag-of-words" else architectures.build(architecture, {}, inputs)


def default_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


@functools.cache
def flights() -> Dataset:
    return load(FlightsSource(source="flights"), RANGE)


def train(
    architecture: str,
    learning_rate: float,
    epochs: int,
    *,
    batch: int = BATCH,
    dataset: Dataset | None = None,
    device: str | None = None,
) -> tuple[float, float]:
    """The validation error, and the examples per second of the training steps alone."""
    dataset, device = dataset or flights(), device or default_device()
    torch.manual_seed(0)
    net = network(architecture, dataset.inputs).to(device)
    optimizer = torch.optim.AdamW(net.parameters(), lr=learning_rate, fused=True)
    parts = [
        tuple(torch.tensor(array, device=device) for array in (part.tokens, part.dense, part.targets))
        for part in (dataset.train, dataset.valid)
    ]
    (tokens, dense, targets), valid = parts
    seconds, error = 0.0, float("nan")
    for _ in range(epochs):
        began = time.perf_counter()
        net.train()
        for rows in torch.randperm(len(targets), device=device).split(batch):
            optimizer.zero_grad()
            with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
                loss, _ = net.loss(tokens[rows], dense[rows], targets[rows])  # type: ignore[operator]
            loss.backward()
            optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds += time.perf_counter() - began
        net.eval()
        with torch.inference_mode():
            error = float((net(*valid[:2]) - valid[2]).square().mean())
    return error, epochs * len(targets) / seconds


def warm_up() -> None:
    """Loads the data, the device and torch's optimizer, which all trainings of a process share."""
    flights()
    weight = torch.zeros(1, device=default_device(), requires_grad=True)
    optimizer = torch.optim.AdamW([weight], fused=True)
    weight.sum().backward()
    optimizer.step()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("architecture")
    parser.add_argument("learning_rate", type=float)
    parser.add_argument("epochs", type=int)
    parser.add_argument("batch", type=int, nargs="?", default=BATCH)
    options = parser.parse_args()
    print(train(options.architecture, options.learning_rate, options.epochs, batch=options.batch)[0])


if __name__ == "__main__":
    main()
