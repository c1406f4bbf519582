import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.data.dataset import Dataset, Part
from pipeline.data.encoder import Encoder
from pipeline.data.raw import Columns, Target
from pipeline.errors import UserError
from pipeline.training import architectures, loop, model
from pipeline.training.evaluation import predict


def raw(rows: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "note": random.choice(["late again", "on time", "", "fog and snow, late"], rows),
            "carrier": random.choice(["UA", "DL", "B6"], rows),
            "distance": random.uniform(100, 3000, rows),
        }
    )
    frame["minutes"] = frame["distance"] / 8 + 20 + random.normal(0, 3, rows)
    frame["delay"] = random.normal(5, 20, rows)
    return frame.set_index(np.arange(rows) * 10)


def encoded() -> Dataset:
    train, *others = (raw(rows, seed) for seed, rows in enumerate((200, 40, 40)))
    columns = Columns((Target("minutes", "log"), Target("delay")), ("note",), ("carrier",), ("distance",))
    encoder = Encoder.fit(train, columns)
    parts = [Part(*encoder.encode(frame), encoder.targets(frame)) for frame in (train, *others)]
    return Dataset(encoder.inputs, *parts, encoder.target_names, encoder, "raw")


def saved(folder: Path, architecture: str = "bag-of-words", max_epochs: int = 1, **setting: float) -> torch.nn.Module:
    dataset = encoded()
    outcome = loop.train(architecture, setting, dataset, seed=3, max_epochs=max_epochs, epoch_steps=25)
    model.save(
        folder,
        outcome.network,
        architecture=architecture,
        hyperparameters=setting,
        inputs=dataset.inputs,
        encoder=dataset.encoder,
    )
    return outcome.network


@pytest.mark.parametrize("architecture", architectures.names())
def test_a_loaded_model_predicts_exactly_what_it_did_when_it_was_saved(architecture: str, tmp_path: Path) -> None:
    network = saved(tmp_path / "attempt", architecture, dropout=0.2)
    tokens, dense = (encoded().test.tokens, encoded().test.dense)
    before = torch.cat(list(predict(network, torch.tensor(tokens), torch.tensor(dense)))).numpy()
    loaded = model.load(tmp_path / "attempt")
    assert np.array_equal(loaded.predict_encoded(tokens, dense), before)
    assert (loaded.architecture, loaded.hyperparameters["dropout"]) == (architecture, 0.2)
    assert loaded.encoder == encoded().encoder
    assert not loaded.network.training


def test_a_loaded_model_predicts_in_original_units_row_by_row(tmp_path: Path) -> None:
    saved(tmp_path, max_epochs=100, learning_rate=0.01, batch_size=64)
    frame = raw(50, seed=9)
    predicted = model.load(tmp_path).predict(frame.drop(columns=["minutes", "delay"]))
    assert list(predicted.columns) == ["minutes", "delay"]
    assert predicted.index.equals(frame.index)
    assert float((predicted["minutes"] - frame["minutes"]).abs().mean()) < 0.2 * float(frame["minutes"].std())


def test_no_rows_are_no_predictions(tmp_path: Path) -> None:
    saved(tmp_path)
    assert model.load(tmp_path).predict(raw(5, seed=1).iloc[:0]).shape == (0, 2)


def test_defaults_that_change_later_do_not_change_a_saved_model(tmp_path: Path) -> None:
    saved(tmp_path)
    assert set(json.loads((tmp_path / "model.json").read_text())["hyperparameters"]) == set(
        architectures.hyperparameters("bag-of-words")
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[:50], "is not JSON"),
        (lambda text: "[]", "does not describe a model"),
        (lambda text: text.replace('"encoder"', '"decoder"'), "does not describe a model .*encoder"),
        (lambda text: text.replace('"vocabulary"', '"words"', 1), "does not describe a model"),
        (lambda text: text.replace("bag-of-words", "bag-of-wards"), 'bag-of-wards.*did you mean "bag-of-words"'),
        (lambda text: text.replace("bag-of-words", "mdn"), "does not fit mdn"),
    ],
)
def test_a_damaged_description_is_one_plain_line(damage: "object", message: str, tmp_path: Path) -> None:
    saved(tmp_path)
    path = tmp_path / "model.json"
    assert callable(damage)
    path.write_text(damage(path.read_text()))
    with pytest.raises(UserError, match=message) as caught:
        model.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_missing_and_damaged_weights_are_one_plain_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no model\.json"):
        model.load(tmp_path)
    saved(tmp_path)
    weights = tmp_path / "model.pt"
    whole = weights.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"nonsense"):
        weights.write_bytes(content)
        with pytest.raises(UserError, match="does not hold weights, or was damaged"):
            model.load(tmp_path)
    weights.unlink()
    with pytest.raises(UserError, match=r"there is no model\.pt"):
        model.load(tmp_path)


class Mischief:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('code from a model file ran')",)


def test_loading_runs_no_code_from_the_weights(tmp_path: Path) -> None:
    saved(tmp_path)
    torch.save({"weight": Mischief()}, tmp_path / "model.pt", pickle_module=pickle)
    with pytest.raises(UserError, match="does not hold weights"):
        model.load(tmp_path)
