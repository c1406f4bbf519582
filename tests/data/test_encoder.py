"""Properties of an encoder that hold for every frame."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.data.encoder import BOUND, WORDS_PER_ROW, Encoder
from pipeline.data.inputs import PADDING, UNKNOWN
from pipeline.data.raw import Columns, Target
from pipeline.errors import UserError

COLUMNS = Columns(
    targets=(Target("y"), Target("z", "asinh")), text=("title", "body"), categorical=("shop", "size"), numeric=("a",)
)
_missing = st.sampled_from([None, float("nan")])
_text = st.one_of(_missing, st.text(max_size=12), st.sampled_from(["red house", "Red", "house red red"]))
_number = st.floats(-1e9, 1e9)
_row = st.fixed_dictionaries(
    {
        "title": _text,
        "body": _text,
        "shop": st.one_of(_missing, st.sampled_from(["north", "south", "east"])),
        "size": st.one_of(_missing, st.integers(0, 3), st.booleans(), st.just(2.0)),
        "a": st.one_of(_missing, _number, st.just("?"), st.just(float("inf"))),
        "y": _number,
        "z": _number,
    }
)
_frames = st.lists(_row, min_size=1, max_size=12).map(lambda rows: pd.DataFrame(rows, dtype=object))


@settings(max_examples=60, deadline=None)
@given(_frames, _frames)
def test_an_encoder_that_went_through_json_encodes_the_same(train: pd.DataFrame, other: pd.DataFrame) -> None:
    encoder = Encoder.fit(train, COLUMNS)
    restored = Encoder.from_json(json.loads(json.dumps(encoder.to_json())))
    assert restored == encoder
    for expected, actual in zip(encoder.encode(other), restored.encode(other), strict=True):
        np.testing.assert_array_equal(expected, actual)
    np.testing.assert_array_equal(encoder.targets(other), restored.targets(other))


@settings(max_examples=60, deadline=None)
@given(_frames, _frames)
def test_arrays_have_the_promised_shape_for_any_frame(train: pd.DataFrame, other: pd.DataFrame) -> None:
    encoder = Encoder.fit(train, COLUMNS)
    for frame in (train, other, other[:0]):
        tokens, dense = encoder.encode(frame)
        assert tokens.shape == (len(frame), encoder.inputs.length)
        assert dense.shape == (len(frame), encoder.inputs.dense)
        assert ((tokens >= 0) & (tokens < encoder.inputs.vocabulary)).all()
        assert (tokens != PADDING).any(axis=1).all()
        assert np.isfinite(dense).all()
        padded = tokens == PADDING
        assert (padded[:, 1:] >= padded[:, :-1]).all()  # padding comes last


@settings(max_examples=60, deadline=None)
@given(_frames, st.permutations(range(12)))
def test_the_encoding_of_a_row_does_not_depend_on_other_rows(train: pd.DataFrame, order: list[int]) -> None:
    encoder = Encoder.fit(train, COLUMNS)
    order = [n for n in order if n < len(train)]
    for whole, shuffled in zip(encoder.encode(train), encoder.encode(train.iloc[order]), strict=True):
        np.testing.assert_array_equal(whole[order], shuffled)


@settings(max_examples=60, deadline=None)
@given(_frames)
def test_targets_come_back_in_their_own_units(train: pd.DataFrame) -> None:
    encoder = Encoder.fit(train, COLUMNS)
    back = encoder.original_units(encoder.targets(train))
    assert list(back) == ["y", "z"]
    for name in back:
        size = max(1.0, float(train[name].abs().max()))
        np.testing.assert_allclose(back[name], train[name].astype(float), rtol=1e-3, atol=1e-5 * size)


@pytest.mark.parametrize("transform", ["log", "log1p", "asinh", None])
def test_every_transform_can_be_undone(transform: Any) -> None:
    frame = pd.DataFrame({"y": [0.5, 1.0, 10.0, 600.0], "x": [1, 2, 3, 4]})
    encoder = Encoder.fit(frame, Columns((Target("y", transform),), numeric=("x",)))
    np.testing.assert_allclose(encoder.original_units(encoder.targets(frame))["y"], frame["y"], rtol=1e-5)


def _encoder(**columns: list[Any]) -> tuple[Encoder, pd.DataFrame]:
    frame = pd.DataFrame(columns | {"y": [1.0] * len(next(iter(columns.values())))})
    roles = {"title": "text", "shop": "categorical", "a": "numeric"}
    chosen: dict[str, Any] = {roles[name]: (name,) for name in columns}
    return Encoder.fit(frame, Columns((Target("y"),), **chosen)), frame


def test_a_value_that_training_does_not_show_becomes_unknown() -> None:
    encoder, _ = _encoder(shop=["north"] * 2 + ["south"] * 2, title=["red house"] * 4)
    tokens, _ = encoder.encode(pd.DataFrame({"shop": ["west", None, "north"], "title": ["red car", "", "house red"]}))
    north = tokens[2, 0]
    red, house = tokens[2, 2], tokens[2, 1]
    assert tokens.tolist() == [[UNKNOWN, red, UNKNOWN], [UNKNOWN, PADDING, PADDING], [north, house, red]]
    assert len({PADDING, UNKNOWN, north, red, house}) == 5


def test_a_value_that_training_shows_once_becomes_unknown_there() -> None:
    encoder, frame = _encoder(shop=["north", "north", "rare"], title=["red", "red", "odd"])
    assert encoder.encode(frame)[0][2].tolist() == [UNKNOWN, UNKNOWN]


def test_a_missing_category_is_a_token_of_its_own() -> None:
    encoder, frame = _encoder(shop=["north", "north", None, float("nan")])
    tokens = encoder.encode(frame)[0][:, 0]
    assert tokens[2] == tokens[3] != tokens[0]
    assert UNKNOWN not in tokens


def test_the_same_value_in_two_columns_is_two_tokens() -> None:
    frame = pd.DataFrame({"from": ["JFK"] * 2, "to": ["JFK"] * 2, "y": [1.0, 2.0]})
    encoder = Encoder.fit(frame, Columns((Target("y"),), categorical=("from", "to")))
    assert encoder.encode(frame)[0].tolist() == [[2, 3], [2, 3]]


def test_whole_numbers_are_the_same_category_as_text_and_as_floats() -> None:
    encoder, frame = _encoder(shop=["5", "5", "6", "6"])
    tokens = encoder.encode(frame)[0]
    for others in ([5, 5, 6, 6], [5.0, 5.0, 6.0, 6.0], pd.Categorical([5, 5, 6, 6])):
        np.testing.assert_array_equal(encoder.encode(pd.DataFrame({"shop": others}))[0], tokens)


def test_a_very_long_text_is_cut() -> None:
    encoder, _ = _encoder(title=["word " * 1000, "word"])
    assert encoder.inputs.length == WORDS_PER_ROW


def test_case_and_punctuation_do_not_matter() -> None:
    encoder, frame = _encoder(title=["Größe: XL!", "größe (xl)"])
    first, second = encoder.encode(frame)[0].tolist()
    assert first == second
    assert encoder.words == ("größe", "xl")


def test_missing_numbers_are_the_middle_and_a_constant_column_is_zero() -> None:
    encoder, frame = _encoder(a=[1.0, 3.0, None])
    low, high, missing = encoder.encode(frame)[1][:, 0]
    assert low == -high < missing == 0
    encoder, frame = _encoder(a=[0.1] * 7)
    np.testing.assert_allclose(encoder.encode(frame)[1], 0, atol=1e-9)
    encoder, frame = _encoder(a=[None, "?"])
    assert encoder.encode(frame)[1].tolist() == [[0.0], [0.0]]


def test_a_frame_without_a_needed_column_is_an_error_that_names_the_nearest() -> None:
    encoder, _ = _encoder(shop=["north"] * 2)
    with pytest.raises(UserError, match='the frame has no column "shop"; did you mean "shops"'):
        encoder.encode(pd.DataFrame({"shops": ["north"]}))


def test_a_frame_to_predict_on_needs_no_target() -> None:
    encoder, _ = _encoder(shop=["north"] * 2, a=[1.0, 2.0])
    tokens, dense = encoder.encode(pd.DataFrame({"a": [1.5], "shop": ["north"], "more": [0]}, index=[17]))
    assert tokens.tolist() == [[2]]
    assert dense.tolist() == [[0.0]]


def _dense(train: list[Any], other: list[Any]) -> Any:
    encoder = Encoder.fit(pd.DataFrame({"a": train, "y": 1.0}), Columns((Target("y"),), numeric=("a",)))
    return encoder.encode(pd.DataFrame({"a": other}))[1]


def test_a_flag_marks_missing_numbers_if_training_lacks_some() -> None:
    assert _dense([1.0, 2.0, 3.0, None], [2.0, None, float("inf")])[:, 1].tolist() == [0.0, 1.0, 1.0]
    assert _dense([1.0, 2.0, 3.0], [2.0, None]).tolist() == [[0.0], [0.0]]


def test_outliers_stay_within_bounds_and_in_order() -> None:
    far = _dense([*map(float, range(100))], [-1e30, 0.0, 49.5, 99.0, 1e4, 1e30])[:, 0]
    assert (np.diff(far) >= 0).all()
    assert far[2] == 0.0
    assert np.abs(far).max() <= BOUND


def test_an_outlier_in_training_does_not_squeeze_the_other_values() -> None:
    train = [*map(float, range(100))]
    np.testing.assert_allclose(_dense([*train, 1e9], train), _dense(train, train), atol=0.05)


@pytest.mark.parametrize("values", [[5.0] * 10, [0.0] * 9 + [7.0], [None] * 9 + [1.0]], ids=["one", "spike", "single"])
def test_a_number_that_hardly_varies_is_finite(values: list[Any]) -> None:
    assert np.isfinite(_dense(values, [*values, 1e38])).all()


def test_an_old_model_encodes_numbers_as_it_always_did() -> None:
    encoder = Encoder.fit(pd.DataFrame({"a": [1.0, 2.0, 3.0], "y": 1.0}), Columns((Target("y"),), numeric=("a",)))
    written = encoder.to_json()
    del written["numbers"]
    written["numeric_scales"] = [{"mean": 2.0, "deviation": 0.5}]
    frame = pd.DataFrame({"a": [1.0, 100.0, None]})
    assert Encoder.from_json(written).encode(frame)[1].tolist() == [[-2.0], [196.0], [0.0]]
