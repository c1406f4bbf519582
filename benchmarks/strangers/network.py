"""An ordinary small network tuned by Optuna, as a careful user would write it in an afternoon.

The network concatenates an embedding per categorical column, standardised numbers and the mean of the words'
embeddings, and feeds them to a perceptron. It trains with AdamW, validates after every epoch, stops by patience and
keeps the best epoch's weights. It uses no code of `pipeline/training/`.
"""

import copy
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import geometric_mean

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.strangers.baselines import TRIALS, Setting
from benchmarks.strangers.ranges import Floats, Part, Range

PATIENCE = 15
_WORD_SIZE = 32
_WORDS_PER_TEXT = 100
_FAR = 10.0
"""Limit of a standardised number, since a single mistake in the data could otherwise ruin a network."""


@dataclass(frozen=True)
class Tensors:
    """The rows of a part as tensors."""

    codes: Tensor
    """`[N, C]`."""
    numbers: Tensor
    """`[N, F]`: the numbers, then a flag for each column that has gaps in the training part."""
    words: Tensor
    """`[N, W]`: 0 is padding, 1 a word that training has less than twice."""
    target: Tensor
    """`[N]`."""

    def __getitem__(self, rows: Tensor) -> "Tensors":
        return Tensors(self.codes[rows], self.numbers[rows], self.words[rows], self.target[rows])

    def __len__(self) -> int:
        return len(self.target)


@dataclass(frozen=True)
class Prepared:
    """A date range as tensors."""

    train: Tensors
    valid: Tensors
    test: Tensors
    sizes: tuple[int, ...]
    vocabulary: int
    """Number of word ids, with padding and unknown words; 0 without text."""


def prepare(data: Range) -> Prepared:
    """Scales the numbers and gives the words ids, both by the training part alone."""
    # Mean and deviation of each numeric column.
    train_numbers = data.train.numbers
    counts = np.maximum((~np.isnan(train_numbers)).sum(axis=0), 1)
    mean = np.nansum(train_numbers, axis=0) / counts
    deviation = np.sqrt(np.nansum((train_numbers - mean) ** 2, axis=0) / counts)
    deviation[deviation < 1e-9] = 1.0
    with_gaps = np.isnan(train_numbers).any(axis=0)
    # Ids of the words.
    split = [list(map(_words, part.texts)) for part in data.parts]
    frequent = [word for word, count in Counter(word for text in split[0] for word in text).items() if count > 1]
    ids = {word: 2 + rank for rank, word in enumerate(frequent)}
    length = max((len(text) for text in split[0]), default=0)

    def tensors(part: Part, texts: list[list[str]]) -> Tensors:
        missing = np.isnan(part.numbers)
        scaled = np.clip(np.where(missing, 0.0, (part.numbers - mean) / deviation), -_FAR, _FAR)
        numbers: Floats = np.hstack([scaled, missing[:, with_gaps]])
        words = np.zeros((len(part.target), length), dtype=np.int64)
        for row, text in enumerate(texts):
            row_ids = [ids.get(word, 1) for word in text[:length]]
            words[row, : len(row_ids)] = row_ids
        return Tensors(
            torch.from_numpy(np.ascontiguousarray(part.codes)),
            torch.from_numpy(numbers.astype(np.float32)),
            torch.from_numpy(words),
            torch.from_numpy(part.target.astype(np.float32)),
        )

    train, valid, test = (tensors(part, texts) for part, texts in zip(data.parts, split, strict=True))
    return Prepared(train, valid, test, data.sizes, 2 + len(frequent) if data.has_text else 0)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())[:_WORDS_PER_TEXT]


class Network(nn.Module):
    def __init__(self, sizes: Sequence[int], numbers: int, vocabulary: int, setting: Setting) -> None:
        super().__init__()
        # As in fastai, the number of values gives the width of an embedding.
        widths = [min(32, round(1.6 * size**0.56)) for size in sizes]
        self.embeddings = nn.ModuleList(nn.Embedding(size, width) for size, width in zip(sizes, widths, strict=True))
        self.words = nn.EmbeddingBag(vocabulary, _WORD_SIZE, mode="mean", padding_idx=0) if vocabulary else None
        for table in (*self.embeddings, *([self.words] if self.words is not None else [])):
            nn.init.normal_(table.weight, std=0.1)
        for embedding in self.embeddings:
            # Code 0, of rare and new values, starts in the middle.
            nn.init.zeros_(embedding.weight[0])
        if self.words is not None:
            nn.init.zeros_(self.words.weight[:2])
        inside = sum(widths) + numbers + (_WORD_SIZE if vocabulary else 0)
        layers: list[nn.Module] = []
        for _ in range(setting["depth"]):
            layers += [nn.Linear(inside, setting["width"]), nn.ReLU(), nn.Dropout(setting["dropout"])]
            inside = setting["width"]
        self.layers = nn.Sequential(*layers, nn.Linear(inside, 1))

    def forward(self, batch: Tensors) -> Tensor:
        inputs = [embedding(batch.codes[:, column]) for column, embedding in enumerate(self.embeddings)]
        inputs.append(batch.numbers)
        if self.words is not None:
            inputs.append(self.words(batch.words))
        return self.layers(torch.cat(inputs, dim=1)).squeeze(1)


def train(data: Prepared, setting: Setting, seed: int, epochs: int) -> tuple[float, float]:
    """Trains a network. Returns its validation and test error after the epoch with the best validation error."""
    torch.manual_seed(seed)
    network = Network(data.sizes, data.train.numbers.shape[1], data.vocabulary, setting)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=setting["learning_rate"], weight_decay=setting["weight_decay"], fused=True
    )
    best, best_epoch, weights = math.inf, 0, copy.deepcopy(network.state_dict())
    for epoch in range(epochs):
        network.train()
        for rows in torch.randperm(len(data.train)).split(setting["batch_size"]):
            batch = data.train[rows]
            loss = nn.functional.mse_loss(network(batch), batch.target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        valid = _error(network, data.valid)
        if valid < best:
            best, best_epoch, weights = valid, epoch, copy.deepcopy(network.state_dict())
        if epoch - best_epoch >= PATIENCE:
            break
    network.load_state_dict(weights)
    return best, _error(network, data.test)


@torch.no_grad()
def _error(network: Network, part: Tensors) -> float:
    network.eval()
    rows = torch.arange(len(part))
    squares = [((network(part[chunk]) - part.target[chunk]) ** 2).sum() for chunk in rows.split(8192)]
    return float(torch.stack(squares).sum()) / len(part)


def tune(choosing: Sequence[Range], seed: int, epochs: int, trials: int = TRIALS) -> Setting:
    """The setting with the best validation error, by geometric mean over the ranges, in an Optuna study."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    prepared = list(map(prepare, choosing))

    def objective(trial: optuna.Trial) -> float:
        setting = {
            "learning_rate": trial.suggest_float("learning_rate", 3e-4, 3e-2, log=True),
            "width": trial.suggest_int("width", 32, 256, log=True),
            "depth": trial.suggest_int("depth", 1, 3),
            "dropout": trial.suggest_float("dropout", 0.0, 0.5),
            "weight_decay": trial.suggest_float("weight_decay", 1e-6, 1e-1, log=True),
            "batch_size": trial.suggest_categorical("batch_size", [32, 64, 128, 256, 512]),
        }
        error = geometric_mean(train(data, setting, seed, epochs)[0] for data in prepared)
        return error if math.isfinite(error) else 1e9

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(objective, n_trials=trials)
    return study.best_params


def judge(data: Range, setting: Setting, seed: int, epochs: int) -> float:
    """Test error of a setting, trained with early stopping on the validation part."""
    return train(prepare(data), setting, seed, epochs)[1]
