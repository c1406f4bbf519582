"""The mean of the tokens' embeddings, then a small network.

Iyyer, Manjunatha, Boyd-Graber, Daumé III 2015, "Deep Unordered Composition Rivals Syntactic Methods for Text
Classification" (the deep averaging network).
"""

from pipeline.data.inputs import Inputs
from pipeline.training.architectures._base import Bag, Regressor, mlp

HYPERPARAMETERS = {
    "embedding_size": {
        "default": 64,
        "domain": {"low": 8, "high": 256, "log": True},
        "limits": {"low": 1, "high": 4096},
        "help": "numbers per token",
    },
    "hidden_size": {
        "default": 64,
        "domain": {"low": 16, "high": 512, "log": True},
        "limits": {"low": 1, "high": 16384},
        "help": "units of a hidden layer",
    },
    "hidden_layers": {
        "default": 1,
        "domain": [1, 2, 3],
        "limits": {"low": 0, "high": 32},
        "help": "hidden layers; 0 is a linear model",
    },
    "dropout": {
        "default": 0.0,
        "domain": {"low": 0.0, "high": 0.5},
        "limits": {"low": 0.0, "high": 0.95},
        "help": "share of hidden units switched off while training",
        "shapes": False,
    },
}


class Network(Regressor):
    fuses_on = ("cpu", "cuda")

    def __init__(
        self, inputs: Inputs, *, embedding_size: int, hidden_size: int, hidden_layers: int, dropout: float
    ) -> None:
        super().__init__(inputs, Bag(inputs.vocabulary, embedding_size))
        self.head = mlp(self.width, hidden_size, hidden_layers, inputs.targets, dropout)
