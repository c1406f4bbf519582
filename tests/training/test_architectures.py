"""The contract of every architecture: one suite over all files of the folder."""

import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pipeline.data.inputs import PADDING, Inputs
from pipeline.errors import UserError
from pipeline.space import Assignment, Hyperparameter
from pipeline.training import architectures
from pipeline.training.architectures._base import Regressor
from pipeline.training.hyperparameters import HYPERPARAMETERS, Settings
from tests.support import ROOT

ALL = architectures.names()
# Settings that take another way through the code than the defaults do.
OTHER_SETTINGS: list[tuple[str, Assignment]] = [
    ("attention", {"layers": 2, "heads": 1, "head_size": 8}),
    ("bag-of-words", {"hidden_layers": 0}),
    ("cnn", {"smallest_window": 4, "windows": 2}),
    ("lstm", {"layers": 2}),
    ("lstm-attention", {"num_of_attentions": 3, "attention_regularization": 0.1}),
    ("mdn", {"components": 1}),
    ("multi-task", {"weighting": "uncertainty"}),
    ("tabular", {"ensemble_size": 1, "hidden_layers": 0}),
]
CASES = [(name, {}) for name in ALL] + OTHER_SETTINGS
DOCS = ROOT / "docs" / "architectures.md"

every_architecture = pytest.mark.parametrize("name", ALL)
every_case = pytest.mark.parametrize(("name", "setting"), CASES, ids=str)


def built(name: str, inputs: Inputs, setting: Assignment | None = None) -> Regressor:
    torch.manual_seed(0)
    network = architectures.build(name, setting or {}, inputs)
    assert isinstance(network, Regressor)
    return network


def batch(inputs: Inputs, rows: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Every third row ends in padding, and the last one is nothing else."""
    random = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, inputs.vocabulary, (rows, inputs.length), generator=random)
    tokens[::3, 3:] = PADDING
    tokens[-1] = PADDING
    dense = torch.randn(rows, inputs.dense, generator=random)
    return tokens, dense, torch.randn(rows, inputs.targets, generator=random)


FULL = Inputs(vocabulary=40, length=6, dense=3, targets=2)


@every_case
@pytest.mark.parametrize(("length", "dense"), [(6, 3), (6, 0), (0, 3), (1, 1)])
@pytest.mark.parametrize("targets", [1, 3])
def test_any_mixture_of_inputs_and_targets_works(
    name: str, setting: Assignment, length: int, dense: int, targets: int
) -> None:
    inputs = Inputs(vocabulary=20, length=length, dense=dense, targets=targets)
    network = built(name, inputs, setting | {"dropout": 0.0})
    tokens, dense_features, expected = batch(inputs, 7)
    loss, prediction = network.loss(tokens, dense_features, expected)
    loss.backward()
    assert loss.shape == ()
    assert torch.isfinite(loss)
    assert prediction.shape == (7, targets)
    torch.testing.assert_close(network(tokens, dense_features), prediction)


@every_case
def test_columns_and_words_may_stand_in_the_same_row(name: str, setting: Assignment) -> None:
    inputs = Inputs(vocabulary=20, length=6, dense=3, targets=2, categorical=4)
    network = built(name, inputs, setting | {"dropout": 0.0})
    loss, prediction = network.loss(*batch(inputs, 9))
    loss.backward()
    assert prediction.shape == (9, 2)
    assert torch.isfinite(loss)


@every_case
@pytest.mark.parametrize("length", [6, 0])
def test_gradients_reach_every_weight(name: str, setting: Assignment, length: int) -> None:
    inputs = Inputs(FULL.vocabulary, length, FULL.dense, FULL.targets)
    network = built(name, inputs, setting)
    network.loss(*batch(inputs, 64))[0].backward()
    assert {key: True for key, _ in network.named_parameters()} == {
        key: parameter.grad is not None and bool(parameter.grad.ne(0).any())
        for key, parameter in network.named_parameters()
    }


@every_architecture
def test_thirty_two_rows_can_be_learned_by_heart(name: str) -> None:
    network = built(name, FULL)
    rows = batch(FULL, 32)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(20):
        network.train()
        for _ in range(25):
            optimizer.zero_grad()
            network.loss(*rows)[0].backward()
            optimizer.step()
        with torch.no_grad():
            error = (network.eval()(*rows[:2]) - rows[2]).square().mean()
        if error < 0.02:
            break
    assert error < 0.02


@every_case
def test_padding_changes_nothing_wherever_it_stands(name: str, setting: Assignment) -> None:
    network = built(name, FULL, setting | {"dropout": 0.0})
    with torch.no_grad():
        tokens, dense, targets = batch(FULL, 9)
        nothing = torch.zeros(9, 1, dtype=torch.int64)
        padded = [
            torch.cat([tokens, nothing, nothing], dim=1),
            torch.cat([nothing, tokens], dim=1),
            torch.cat([tokens[:, :2], nothing, tokens[:, 2:]], dim=1),
        ]
        for network.training in (True, False):
            expected_loss, expected = network.loss(tokens, dense, targets)
            for longer in padded:
                loss, prediction = network.loss(longer, dense, targets)
                torch.testing.assert_close(prediction, expected, rtol=1e-4, atol=1e-5)
                torch.testing.assert_close(loss, expected_loss, rtol=1e-4, atol=1e-5)


@every_case
def test_the_embedding_of_padding_is_never_trained(name: str, setting: Assignment) -> None:
    network = built(name, FULL, setting)
    network.loss(*batch(FULL, 32))[0].backward()
    embedding = next(weight for key, weight in network.named_parameters() if key.endswith("embedding.weight"))
    assert embedding.grad is not None
    assert not embedding.grad[PADDING].any()
    assert embedding.grad[PADDING + 1 :].any()


@every_case
def test_a_row_is_predicted_alike_alone_and_in_company(name: str, setting: Assignment) -> None:
    network = built(name, FULL, setting).eval()
    tokens, dense, _ = batch(FULL, 50)
    with torch.inference_mode():
        together = network(tokens, dense)
        alone = torch.cat([network(tokens[row : row + 1], dense[row : row + 1]) for row in range(50)])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)


@every_case
def test_autocast_leaves_loss_and_prediction_in_full_precision(name: str, setting: Assignment) -> None:
    network = built(name, FULL, setting)
    rows = batch(FULL, 20)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, prediction = network.loss(*rows)
    loss.backward()
    assert (loss.dtype, prediction.dtype) == (torch.float32, torch.float32)
    torch.testing.assert_close(prediction, network(*rows[:2]), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("name", ["attention", "cnn", "lstm", "lstm-attention"])
def test_sequence_architectures_read_the_tokens_in_order(name: str) -> None:
    network = built(name, FULL).eval()
    tokens, dense = torch.tensor([[2, 3, 4, 5, 6, 7]]), torch.zeros(1, FULL.dense)
    assert not torch.allclose(network(tokens, dense), network(tokens.flip(1), dense), atol=1e-4)


def test_the_way_back_of_lstm_attention_is_that_of_a_bidirectional_lstm() -> None:
    inputs = Inputs(20, 6, 0, 1)
    reader = built("lstm-attention", inputs, {"hidden_size": 4, "embedding_size": 5}).reader
    tokens = torch.tensor([[2, 3, 4, 5, 6, 7], [8, 9, 3, 0, 0, 0]])
    bidirectional = torch.nn.LSTM(5, 4, batch_first=True, bidirectional=True)
    bidirectional.load_state_dict(
        reader.forth.state_dict() | {f"{key}_reverse": weight for key, weight in reader.back.state_dict().items()}
    )
    for row in tokens:
        row = row[row != PADDING][None]
        states, _ = bidirectional(reader.embedding(row))
        weights = reader.score(states).softmax(dim=1).transpose(1, 2)
        torch.testing.assert_close(reader.attend(row)[0], weights @ states)
    padded = torch.nn.utils.rnn.pack_padded_sequence(reader.embedding(tokens), [6, 3], batch_first=True)
    states, _ = torch.nn.utils.rnn.pad_packed_sequence(bidirectional(padded)[0], batch_first=True)
    means, weights = reader.attend(tokens)
    torch.testing.assert_close(means, weights @ states)
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(2, 1))


def test_attentions_that_look_at_the_same_tokens_cost_more() -> None:
    rows = batch(FULL, 8)
    setting: Assignment = {"num_of_attentions": 2}
    free, dear = (built("lstm-attention", FULL, setting | {"attention_regularization": w}) for w in (0.0, 0.5))
    _, weights = dear.reader.attend(rows[0])
    penalty = (weights @ weights.transpose(1, 2) - torch.eye(2)).square().sum() / 8
    torch.testing.assert_close(dear.loss(*rows)[0] - free.loss(*rows)[0], 0.5 * penalty)


def test_the_prediction_of_a_mixture_is_its_mean_and_its_loss_the_likelihood() -> None:
    network = built("mdn", FULL)
    tokens, dense, targets = batch(FULL, 8)
    log_weights, means, deviations = network.mixture(tokens, dense)
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=log_weights),
        torch.distributions.Independent(torch.distributions.Normal(means, deviations), 1),
    )
    torch.testing.assert_close(network(tokens, dense), mixture.mean)
    torch.testing.assert_close(network.loss(tokens, dense, targets)[0], -mixture.log_prob(targets).mean())


def test_weighting_by_uncertainty_finds_the_noise_of_each_target() -> None:
    inputs = Inputs(vocabulary=2, length=0, dense=1, targets=2)
    network = built("multi-task", inputs, {"weighting": "uncertainty", "shared_size": 2, "head_size": 2})
    random = torch.Generator().manual_seed(1)
    noise = torch.tensor([1.0, 0.1])
    dense = torch.zeros(2000, 1)
    targets = torch.randn(2000, 2, generator=random) * noise
    optimizer = torch.optim.Adam(network.parameters(), lr=0.03)
    for _ in range(500):
        optimizer.zero_grad()
        network.loss(torch.zeros(2000, 0, dtype=torch.int64), dense, targets)[0].backward()
        optimizer.step()
    torch.testing.assert_close(network.log_variances.exp().sqrt().detach(), noise, rtol=0.1, atol=0.0)


@every_architecture
def test_a_network_takes_exactly_the_hyperparameters_that_its_file_declares(name: str) -> None:
    parameters = inspect.signature(architectures.network(name).__init__).parameters
    by_keyword = [key for key, parameter in parameters.items() if parameter.kind is parameter.KEYWORD_ONLY]
    assert by_keyword == architectures.network_hyperparameters(name)


@every_architecture
def test_every_default_lies_in_its_ready_made_domain_and_every_domain_in_its_limits(name: str) -> None:
    for declared in architectures.hyperparameters(name).values():
        assert declared.default in declared.domain
        assert declared.help
        ends = [declared.domain.at(0.0), declared.domain.at(1 - 1e-12)]
        assert all(end in (declared.limits or declared.domain) for end in ends)


@every_architecture
def test_the_ends_of_every_ready_made_domain_can_be_built(name: str) -> None:
    declared = architectures.hyperparameters(name)
    for unit in (0.0, 1 - 1e-12):
        network = built(name, FULL, {key: fields.domain.at(unit) for key, fields in declared.items()})
        assert network(*batch(FULL, 3)[:2]).shape == (3, FULL.targets)


def test_the_hyperparameters_of_the_post_are_there() -> None:
    declared = architectures.hyperparameters("lstm-attention")
    post = {
        "num_of_attentions": [1, 2, 3],
        "attention_hidden_layer_size": [32, 128, 256],
        "attention_regularization": [0.1, 0.01, 0.001],
    }
    assert list(declared)[:3] == list(post)
    assert all(value in declared[key].domain for key, values in post.items() for value in values)


def test_an_architecture_may_change_a_default_of_the_loop_and_keeps_the_rest_of_it() -> None:
    plain, changed = (architectures.hyperparameters(name)["gradient_clip"] for name in ("bag-of-words", "lstm"))
    assert (plain.default, changed.default) == (0.0, 1.0)
    assert changed.domain == plain.domain
    assert "gradient_clip" not in architectures.network_hyperparameters("lstm")


def test_an_architecture_declares_only_the_fields_that_differ_from_shared_ones() -> None:
    plain, changed = (architectures.hyperparameters(name)["dropout"] for name in ("bag-of-words", "tabular"))
    assert (plain.default, changed.default) == (0.0, 0.1)
    assert (changed.limits, changed.shapes, changed.help) == (plain.limits, False, plain.help)


def test_an_unknown_name_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UserError, match=r'"lstm_atention".*did you mean "lstm-attention"'):
        architectures.hyperparameters("lstm_atention")
    with pytest.raises(UserError, match="possible are attention, bag-of-words"):
        architectures.network("zzz")
    with pytest.raises(UserError, match='bag-of-words has no hyperparameter "droput"; did you mean "dropout"'):
        architectures.complete("bag-of-words", {"droput": 0.1})


def test_a_new_architecture_is_one_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bag_of_words = Path(inspect.getfile(architectures.network("bag-of-words")))
    (tmp_path / "bag_of_letters.py").write_text(bag_of_words.read_text())
    monkeypatch.setattr(architectures, "__path__", [*architectures.__path__, str(tmp_path)])
    assert sorted([*ALL, "bag-of-letters"]) == architectures.names()
    assert next(iter(architectures.hyperparameters("bag-of-letters"))) == "embedding_size"
    assert built("bag-of-letters", FULL)(*batch(FULL, 3)[:2]).shape == (3, FULL.targets)
    del sys.modules[f"{architectures.__name__}.bag_of_letters"]


def test_declarations_are_read_without_importing_torch() -> None:
    code = (
        "import sys; from pipeline.training import architectures as a; "
        "[a.hyperparameters(n) for n in a.names()]; print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


def test_the_loop_declares_exactly_its_settings() -> None:
    assert list(HYPERPARAMETERS) == list(inspect.signature(Settings).parameters)


def table(declared: dict[str, Hyperparameter]) -> Iterator[str]:
    """The table of these hyperparameters in docs/architectures.md, line by line."""
    yield "| hyperparameter | default | ready-made domain | what it is |"
    yield "|---|---|---|---|"
    for key, fields in declared.items():
        domain = fields.domain.model_dump(mode="json", exclude_defaults=True)
        yield f"| `{key}` | {json.dumps(fields.default)} | `{json.dumps(domain)}` | {fields.help} |"


def of_loop() -> dict[str, Hyperparameter]:
    return {key: Hyperparameter.model_validate(fields) for key, fields in HYPERPARAMETERS.items()}


@every_architecture
def test_the_docs_say_what_an_architecture_declares(name: str) -> None:
    declared = architectures.hyperparameters(name)
    text = "\n".join(table({key: declared[key] for key in architectures.network_hyperparameters(name)}))
    section = DOCS.read_text(encoding="utf-8").partition(f"\n## `{name}`\n")[2].split("\n## ")[0]
    assert text in section, f"the section on {name} should have this table:\n{text}"
    for key, fields in of_loop().items():
        if declared[key] != fields:
            assert f"`{key}` is {json.dumps(declared[key].default)} by default" in section


def test_the_docs_say_what_the_loop_declares() -> None:
    text = "\n".join(table(of_loop()))
    assert text in DOCS.read_text(encoding="utf-8"), f"the section on the training loop should have:\n{text}"
