"""The mean of the tokens' embeddings, then a small network.

Iyyer, Manjunatha, Boyd-Graber, Daumé III 2015, "Deep Unordered Composition Rivals Syntactic Methods for Text
Classification" (the deep averaging network).
"""

from pipeline.data.inputs import Inputs
from pipeline.training.architectures._base import Bag, Regressor, mlp

# A field that is left out here has its value from `training/hyperparameters.py`.
HYPERPARAMETERS: dict[str, dict[str, object]] = {
    "embedding_size": {},
    "hidden_size": {},
    "hidden_layers": {},
    "dropout": {},
}


class Network(Regressor):
    fuses_on = ("cpu", "cuda")

    def __init__(
        self, inputs: Inputs, *, embedding_size: int, hidden_size: int, hidden_layers: int, dropout: float
    ) -> None:
        super().__init__(inputs, Bag(inputs.vocabulary, embedding_size))
        self.head = mlp(self.width, hidden_size, hidden_layers, inputs.targets, dropout)
