"""Dataset: tf.data's pipeline, laid beside lists, and beside tf.data itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibatch.batching import (
    AUTOTUNE,
    INFINITE_CARDINALITY,
    REMAINDERS,
    UNKNOWN_CARDINALITY,
    Dataset,
    batch_sizes,
)

sizes = st.integers(0, 30)


def numbers(dataset: Dataset) -> list[Any]:
    return [element.tolist() for element in dataset]


def test_the_usual_pipeline() -> None:
    x, y = np.arange(100.0).reshape(50, 2), np.arange(50)
    dataset = Dataset.from_tensor_slices((x, y))
    dataset = dataset.map(lambda a, b: (a / 2, b), num_parallel_calls=AUTOTUNE).cache().shuffle(1000).batch(16)
    dataset = dataset.prefetch(AUTOTUNE)
    assert len(dataset) == dataset.cardinality() == 4
    for _ in range(2):
        seen = list(dataset)
        assert [len(b) for _, b in seen] == [16, 16, 16, 2]
        assert sorted(np.concatenate([b for _, b in seen]).tolist()) == list(range(50))
        for a, b in seen:
            np.testing.assert_array_equal(a, x[b] / 2)


PIPELINES = {
    "batch": lambda d: d.batch(4),
    "drop": lambda d: d.batch(4, drop_remainder=True),
    "map": lambda d: d.map(lambda i: i * i).batch(3),
    "filter": lambda d: d.filter(lambda i: i % 3 == 0),
    "take and skip": lambda d: d.skip(3).take(5),
    "take all": lambda d: d.take(-1).skip(-1),
    "repeat": lambda d: d.repeat(3).batch(7),
    "repeat forever": lambda d: d.repeat().take(25),
    "enumerate": lambda d: d.enumerate(5).map(lambda i, e: i * 100 + e),
    "unbatch": lambda d: d.batch(4).unbatch(),
    "cache": lambda d: d.cache().repeat(2),
    "prefetch": lambda d: d.prefetch(2).map(lambda i: i + 1, num_parallel_calls=2),
    "shuffle within one": lambda d: d.shuffle(1),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_elements_and_cardinality_are_those_of_tf_data(name: str) -> None:
    import tensorflow as tf

    build = PIPELINES[name]
    ours, theirs = build(Dataset.range(10)), build(tf.data.Dataset.range(10))
    assert numbers(ours) == [element.tolist() for element in theirs.as_numpy_iterator()]
    assert ours.cardinality() == int(theirs.cardinality())
    assert numbers(ours) == numbers(ours)  # it can be iterated over again


def test_zip_is_tf_datas() -> None:
    import tensorflow as tf

    def build(kind: Any) -> Any:
        return kind.zip((kind.range(3), kind.zip(kind.range(10, 20), kind.range(5).repeat())))

    ours, theirs = build(Dataset), build(tf.data.Dataset)
    assert [(int(a), (int(b), int(c))) for a, (b, c) in ours] == [(0, (10, 0)), (1, (11, 1)), (2, (12, 2))]
    assert list(ours) == list(theirs.as_numpy_iterator())
    assert ours.cardinality() == int(theirs.cardinality()) == 3


@given(n=sizes, b=st.integers(1, 12), remainder=st.sampled_from(REMAINDERS))
def test_batches_have_the_sizes_of_the_arithmetic(n: int, b: int, remainder: str) -> None:
    elements = Dataset.zip(Dataset.range(n), Dataset.range(n)) if remainder == "weight" else Dataset.range(n)
    dataset = elements.batch(b, remainder=remainder)
    for k in range(3):
        expected = batch_sizes(n, b, remainder, epoch=k) if n else []
        found = [len(batch[0] if remainder == "weight" else batch) for batch in dataset]
        assert found == expected
    if dataset.cardinality() != UNKNOWN_CARDINALITY:
        assert dataset.cardinality() == len(expected)


@given(n=st.integers(1, 30), b=st.integers(1, 12))
def test_policies_move_the_same_samples_as_in_batches(n: int, b: int) -> None:
    wrapped = np.concatenate(list(Dataset.range(n).batch(b, remainder="wrap")))
    np.testing.assert_array_equal(wrapped, np.resize(np.arange(n), len(wrapped)))
    carried = Dataset.range(n).batch(b, remainder="carry")
    stream = np.concatenate([np.zeros(0, int), *(batch for _ in range(b) for batch in carried)])
    np.testing.assert_array_equal(stream, np.tile(np.arange(n), b))  # b epochs of n come out even
    say = [w / len(x) for x, _, w in Dataset.zip(Dataset.range(n), Dataset.range(n)).batch(b, remainder="weight")]
    np.testing.assert_allclose(np.concatenate(say), 1 / b, rtol=1e-6)


def test_carry_forgets_a_pass_that_was_broken_off() -> None:
    dataset = Dataset.range(5).batch(2, remainder="carry")
    assert numbers(dataset) == [[0, 1], [2, 3]]
    next(iter(dataset))
    assert numbers(dataset) == [[4, 0], [1, 2], [3, 4]]


@given(n=sizes, size=st.integers(1, 40), seed=st.integers(0, 2**64 - 1))
def test_shuffle(n: int, size: int, seed: int) -> None:
    first, second = (Dataset.range(n).shuffle(size, seed=seed) for _ in range(2))
    passes = [[int(i) for i in first] for _ in range(3)]
    assert passes == [[int(i) for i in second] for _ in range(3)]  # pass k is a function of the seed
    for found in passes:
        assert sorted(found) == list(range(n))
        assert all(i <= place + size - 1 for place, i in enumerate(found))


def test_reshuffling() -> None:
    again = Dataset.range(20).shuffle(20, seed=0)
    assert numbers(again) != numbers(again)
    fixed = Dataset.range(20).shuffle(20, seed=0, reshuffle_each_iteration=False)
    assert numbers(fixed) == numbers(fixed)
    twice = numbers(Dataset.range(20).shuffle(20, seed=0).repeat(2))
    assert twice[:20] != twice[20:]
    assert sorted(twice[:20]) == sorted(twice[20:]) == list(range(20))


def test_shuffle_is_uniform_with_a_full_buffer() -> None:
    dataset = Dataset.range(3).shuffle(3, seed=1)
    counts: dict[tuple[int, ...], int] = {}
    for _ in range(1200):
        key = tuple(numbers(dataset))
        counts[key] = counts.get(key, 0) + 1
    # 6 permutations, 200 of each expected; chi^2 with 5 degrees of freedom is below 20.5 in 99.9 %.
    assert len(counts) == 6
    assert sum((count - 200) ** 2 / 200 for count in counts.values()) < 20.5


def test_cache_runs_the_map_once() -> None:
    calls = []

    def slow(i: int) -> int:
        calls.append(i)
        return i

    dataset = Dataset.range(5).map(slow).cache()
    for element in dataset:
        if element == 2:
            break
    assert len(calls) == 3
    assert numbers(dataset) == numbers(dataset) == [0, 1, 2, 3, 4]
    assert len(calls) == 8  # the pass that was broken off kept nothing
    with pytest.raises(ValueError, match="in memory only"):
        dataset.cache("file")


def test_dicts_and_unbatch() -> None:
    dataset = Dataset.from_tensor_slices(({"a": np.arange(6), "b": np.ones((6, 2))}, np.arange(6)))
    x, y = next(iter(dataset.batch(4)))
    assert x["a"].tolist() == y.tolist() == [0, 1, 2, 3]
    assert x["b"].shape == (4, 2)
    assert [int(y) for _, y in dataset.batch(4).unbatch()] == list(range(6))


def test_generators() -> None:
    dataset = Dataset.from_generator(lambda n: (i * i for i in range(n)), args=(4,))
    assert list(dataset) == list(dataset) == [0, 1, 4, 9]
    assert dataset.cardinality() == UNKNOWN_CARDINALITY
    with pytest.raises(TypeError, match="generator must be callable"):
        Dataset.from_generator(i for i in range(3))  # type: ignore[arg-type]


def test_lengths() -> None:
    assert Dataset.range(3).repeat().cardinality() == INFINITE_CARDINALITY
    assert Dataset.range(0).repeat().cardinality() == 0
    assert numbers(Dataset.range(0).repeat()) == []
    assert Dataset.range(3).repeat()  # true, without asking for its length
    with pytest.raises(TypeError, match="length is infinite"):
        len(Dataset.range(3).repeat())
    with pytest.raises(TypeError, match="length is unknown"):
        len(Dataset.range(3).filter(bool))


# --- bad input ---------------------------------------------------------------------------------------


def test_working_in_place_cannot_change_the_data() -> None:
    x = np.ones((4, 2))

    def double(row: np.ndarray) -> np.ndarray:
        row *= 2
        return row

    with pytest.raises(ValueError, match="read-only"):
        list(Dataset.from_tensor_slices(x).map(double))
    with pytest.raises(ValueError, match="read-only"):
        list(Dataset.from_tensor_slices(x).map(lambda r: r + 1).cache().map(double))
    assert (x == 1).all()


def test_a_map_that_changes_shape() -> None:
    dataset = Dataset.range(6).map(lambda i: np.zeros(2 if i < 3 else 3))
    iterator = iter(dataset.batch(2))
    kept = next(iterator)
    with pytest.raises(ValueError, match=r"element 1 is shape \(3,\), float64; the first .* shape \(2,\)"):
        next(iterator)
    np.testing.assert_array_equal(kept, np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"samples of \(\(3,\), 'float64'\); the first batch had \(\(2,\)"):
        list(dataset.batch(3))
    with pytest.raises(ValueError, match=r"element 1 is shape .*, float64; the first .* int64"):
        list(Dataset.range(2).map(lambda i: i / 2 if i else i).batch(2))
    with pytest.raises(ValueError, match=r"element 1 of a batch is a tuple of 3; the first is a tuple of 2"):
        list(Dataset.range(2).map(lambda i: (i,) * (2 + int(i))).batch(2))


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda d: d.shuffle(0), ValueError, "buffer_size must be an integer >= 1; got 0"),
        (lambda d: d.shuffle(2.5), TypeError, "buffer_size must be an integer"),
        (lambda d: d.batch(0), ValueError, "batch_size must be an integer >= 1; got 0"),
        (lambda d: d.batch(2, remainder="kep"), ValueError, "Did you mean 'keep'"),
        (lambda d: d.batch(2, True, remainder="keep"), ValueError, 'drop_remainder=True is remainder="drop"'),
        (lambda d: d.map(3), TypeError, "map_func must be callable; got int"),
        (lambda d: d.map(abs, num_parallel_calls=0), ValueError, "num_parallel_calls must be an integer >= 1"),
        (lambda d: d.filter(None), TypeError, "predicate must be callable"),
        (lambda d: d.prefetch(-2), ValueError, "buffer_size must be an integer >= 0"),
        (lambda d: d.take(1.5), TypeError, "count must be an integer"),
        (lambda d: d.repeat(-3), ValueError, "count must be an integer >= 0"),
        (lambda d: Dataset.zip(d, 3), TypeError, "zip needs datasets"),
        (lambda d: list(d.batch(2, remainder="weight")), ValueError, r"needs elements \(x, y\)"),
        (lambda d: list(d.filter(bool).batch(2, remainder="balance")), ValueError, "needs to know how many"),
        (lambda d: Dataset.from_tensor_slices((np.zeros(3), np.zeros(4))), ValueError, "same number of samples"),
    ],
)
def test_bad_input(build: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build(Dataset.range(4))


def test_arrays_of_a_loop_know_numpy_and_those_of_functions_are_plain() -> None:
    seen: list[type] = []

    def double(x: Any, y: Any) -> Any:
        seen.extend((type(x), type(y["label"])))
        return 2 * x, y

    x, y = np.arange(12.0).reshape(6, 2), {"label": np.arange(6)}
    dataset = Dataset.from_tensor_slices((x, y)).map(double).cache().shuffle(3, seed=1).batch(4).prefetch(1).take(2)
    images, labels = zip(*dataset, strict=True)
    assert all(type(batch.numpy()) is np.ndarray for batch in images)
    assert type(images[0][0].numpy()) is np.ndarray
    assert sorted(np.concatenate([batch["label"].numpy() for batch in labels])) == list(range(6))
    assert set(seen) == {np.ndarray, np.int64}
    for plain_x, plain_y in dataset.as_numpy_iterator():
        assert type(plain_x) is type(plain_y["label"]) is np.ndarray


def test_one_dataset_after_another() -> None:
    first, second = Dataset.range(3), Dataset.range(10, 12)
    both = first.concatenate(second)
    for _ in range(2):
        assert list(both) == [0, 1, 2, 10, 11]
    assert len(both) == 5
    assert list(second.concatenate(first.repeat()).take(4)) == [10, 11, 0, 1]
    begun: list[str] = []

    def generate(name: str) -> Any:
        begun.append(name)
        return [1, 2]

    parts = [Dataset.from_generator(generate, args=(name,)) for name in ("a", "b")]
    assert next(iter(parts[0].concatenate(parts[1]))) == 1
    assert begun == ["a"]  # the second is not begun before the first has ended
    with pytest.raises(TypeError, match="concatenate takes a dataset; got list"):
        first.concatenate([1, 2])  # type: ignore[arg-type]  # on purpose
