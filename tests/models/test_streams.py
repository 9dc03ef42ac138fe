"""Data that make their own batches: Batches, Dataset, generators; and every remainder policy in a fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minibatch as mb
from minibatch.batching import REMAINDERS, batch_sizes

rng = np.random.default_rng(5)
X, Y = rng.normal(size=(53, 4)).astype("float32"), rng.integers(3, size=53)


def compiled(**arguments: Any) -> mb.Sequential:
    mb.utils.set_random_seed(7)
    model = mb.Sequential([mb.Input((4,)), mb.layers.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], **arguments)
    return model


def test_a_pipeline_written_for_tensorflow_runs_after_its_import_is_changed() -> None:
    script = """
dataset = tf.data.Dataset.from_tensor_slices((x, y))
dataset = dataset.map(lambda a, b: (a * 2.0, b)).cache().shuffle(1000).batch(16).prefetch(tf.data.AUTOTUNE)
"""
    names: dict[str, Any] = {"x": X, "y": Y}
    exec("import minibatch as tf\n" + script, names)
    dataset = names["dataset"]
    model = compiled()
    history = model.fit(dataset, epochs=3, verbose=0, validation_data=dataset)
    assert history.params["steps"] == 4
    assert len(history.history["val_loss"]) == 3
    assert model.optimizer.iterations == 12
    assert model.evaluate(dataset, verbose=0) == pytest.approx(model.evaluate(2 * X, Y, verbose=0), rel=1e-6)
    assert model.predict(dataset, verbose=0).shape == (53, 3)


def test_a_dataset_in_order_is_a_fit_on_arrays() -> None:
    a, b = compiled(), compiled()
    a.fit(mb.data.Dataset.from_tensor_slices((X, Y)).batch(10), epochs=2, verbose=0)
    b.fit(X, Y, batch_size=10, shuffle=False, epochs=2, verbose=0)
    np.testing.assert_array_equal(a.parameters.theta, b.parameters.theta)


def test_predict_on_a_dataset_looks_at_x_alone() -> None:
    model = compiled()
    for dataset in (
        mb.data.Dataset.from_tensor_slices(X).batch(10),
        mb.data.Dataset.from_tensor_slices((X, Y)).batch(10),
    ):
        np.testing.assert_allclose(model.predict(dataset, verbose=0), model.predict(X, verbose=0), rtol=1e-6)


def test_sample_weights_in_a_dataset() -> None:
    weights = rng.uniform(0, 2, 53)
    a, b = compiled(), compiled()
    a.fit(mb.data.Dataset.from_tensor_slices((X, Y, weights)).batch(10), verbose=0)
    b.fit(X, Y, sample_weight=weights, batch_size=10, shuffle=False, verbose=0)
    np.testing.assert_allclose(a.parameters.theta, b.parameters.theta, rtol=1e-6)


def test_a_dataset_without_end_needs_steps() -> None:
    endless = mb.data.Dataset.from_tensor_slices((X, Y)).repeat().batch(10)
    with pytest.raises(ValueError, match="never ends"):
        compiled().fit(endless, verbose=0)
    model = compiled()
    model.fit(endless, steps_per_epoch=7, epochs=2, verbose=0)
    assert model.optimizer.iterations == 14


def test_a_dataset_that_gives_nothing_is_an_error() -> None:
    nothing = mb.data.Dataset.from_tensor_slices((X, Y)).filter(lambda x, y: False).batch(10)
    with pytest.raises(ValueError, match="gave no batch"):
        compiled().fit(nothing, verbose=0)


def some(n: int, made: type = tuple) -> Any:
    """A generator of n batches of 10, which begin again after the fifth."""
    for k in range(n):
        rows = slice(10 * (k % 5), 10 * (k % 5) + 10)
        yield made((X[rows], Y[rows]))


@pytest.mark.parametrize(
    ("batches", "steps", "epochs", "ran", "message"),
    [
        (7, 3, 5, [3, 3, 1], "The data ran out after 1 of the 3 steps of this epoch; training ends with it"),
        (2, 3, 5, [2], "The data ran out after 2 of the 3 steps of this epoch; training ends with it"),
        (2, 3, 1, [2], "The data ran out after 2 of the 3 steps of this epoch; training ends with it"),
        (6, 3, 5, [3, 3], "The data ran out; training ends here. A generator can be run through once only"),
        (5, None, 2, [5], "The data ran out; training ends here. A generator can be run through once only"),
    ],
)
def test_a_generator_that_runs_dry_ends_the_fit_with_what_there_is(
    batches: int, steps: int | None, epochs: int, ran: list[int], message: str
) -> None:
    seen: list[Any] = []

    class Epochs(mb.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            seen.append(0)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen[-1] += 1

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            seen.append("end")

        def on_train_end(self, logs: Any = None) -> None:
            seen.append(("over", logs["loss"]))

    model, other = compiled(), compiled()
    with pytest.warns(UserWarning, match=message) as caught:
        fit = model.fit(some(batches), steps_per_epoch=steps, epochs=epochs, verbose=0, callbacks=[Epochs()])
    assert len(caught) == 1
    assert seen == [*(entry for count in ran for entry in (count, "end")), ("over", fit.history["loss"][-1])]
    assert fit.epoch == list(range(len(ran)))
    assert all(loss > 0 for loss in fit.history["loss"])  # Keras reports an epoch without a batch, with a loss of 0
    # No batch was lost on the way: the same steps, in one epoch.
    other.fit(some(batches), steps_per_epoch=sum(ran), verbose=0)
    np.testing.assert_array_equal(model.parameters.theta, other.parameters.theta)


@pytest.mark.parametrize("arguments", [{"epochs": 3, "steps_per_epoch": 2}, {}])
def test_a_generator_of_just_enough_batches_is_no_cause_for_a_word(arguments: dict[str, Any]) -> None:
    model = compiled()
    model.fit(some(6), verbose=0, **arguments)
    assert model.optimizer.iterations == 6


def test_a_fit_takes_no_more_from_a_generator_than_it_needs() -> None:
    batches = some(7)
    compiled().fit(batches, epochs=2, steps_per_epoch=2, verbose=0)
    assert len(list(batches)) == 3


@pytest.mark.parametrize("steps", [None, 3])
def test_a_generator_that_gives_nothing_at_all_is_an_error(steps: int | None) -> None:
    with pytest.raises(
        ValueError, match=r"The data gave no batch for this epoch\. A generator can be run through once"
    ):
        compiled().fit(some(0), steps_per_epoch=steps, verbose=0)


@pytest.mark.parametrize("steps", [None, 2])
def test_a_validation_without_data_is_no_loss_of_0(steps: int | None) -> None:
    model = compiled()
    with pytest.raises(ValueError, match="The data gave no batch"):
        model.fit(X, Y, epochs=3, validation_data=some(3), validation_steps=steps, verbose=0)
    assert len(model.history.history["loss"]) == (2 if steps else 1)  # what there was is kept


def test_batches_may_be_lists_as_a_data_loader_gives_them() -> None:
    a, b = compiled(), compiled()
    a.fit(some(5, list), verbose=0)
    b.fit(some(5), verbose=0)
    np.testing.assert_array_equal(a.parameters.theta, b.parameters.theta)
    np.testing.assert_array_equal(a.predict(some(5, list), verbose=0), b.predict(X[:50], batch_size=10, verbose=0))


def test_a_list_as_x_of_batches_is_still_several_inputs() -> None:
    inputs = mb.Input((2,)), mb.Input((2,))
    model = mb.Model(list(inputs), mb.layers.Dense(3)(mb.layers.Concatenate()(list(inputs))))
    x = [X[:, :2], X[:, 2:]]
    batches = mb.Batches(x, batch_size=10, shuffle=False)
    np.testing.assert_array_equal(model.predict(batches, verbose=0), model.predict(x, batch_size=10, verbose=0))


def test_a_batch_of_too_many_parts() -> None:
    with pytest.raises(ValueError, match=r"a batch is x, \(x, y\) or \(x, y, sample_weight\); got 4 parts"):
        compiled().fit(iter([(X, Y, Y, Y)]), verbose=0)


@pytest.mark.parametrize("name", ["y", "sample_weight", "batch_size"])
def test_what_a_stream_brings_itself_is_not_given_beside_it(name: str) -> None:
    batches = mb.Batches(X, Y)
    with pytest.raises(ValueError, match=f"x is a Batches, which makes its own batches: leave {name} out"):
        compiled().fit(batches, **{name: {"y": Y, "sample_weight": np.ones(53), "batch_size": 4}[name]}, verbose=0)


@pytest.mark.parametrize("remainder", REMAINDERS)
def test_every_remainder_policy_trains_as_its_arithmetic_says(remainder: str) -> None:
    model, seen = compiled(), []

    class Sizes(mb.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(batch)

    batches = mb.Batches(X, Y, batch_size=10, remainder=remainder, seed=0)
    model.fit(batches, epochs=3, verbose=0, callbacks=[Sizes()])
    steps = mb.batching.total_steps(53, 10, 3, remainder)
    assert model.optimizer.iterations == steps == len(seen)
    if remainder == "keep":
        assert batch_sizes(53, 10) == [10] * 5 + [3]


def test_the_weight_policy_gives_every_sample_the_same_say() -> None:
    """The last batch of 3 carries weight 3/10, so its step is 3/10 as long."""
    models = [compiled(), compiled()]
    models[0].fit(mb.Batches(X[50:], Y[50:], batch_size=10, remainder="weight", shuffle=False), verbose=0)
    models[1].compile(mb.optimizers.SGD(0.01 * 0.3), "sparse_categorical_crossentropy")
    models[1].fit(X[50:], Y[50:], batch_size=10, shuffle=False, verbose=0)
    np.testing.assert_allclose(models[0].parameters.theta, models[1].parameters.theta, rtol=1e-6)


def test_carrying_over_may_leave_an_epoch_empty_but_not_a_fit() -> None:
    model = compiled()
    model.fit(mb.Batches(X[:6], Y[:6], batch_size=10, remainder="carry", seed=0), epochs=5, verbose=0)
    assert model.optimizer.iterations == 3  # 30 samples
    with pytest.raises(ValueError, match="There is no step to make: with remainder='carry', 1 epochs of 6 samples"):
        compiled().fit(mb.Batches(X[:6], Y[:6], batch_size=10, remainder="carry"), epochs=1, verbose=0)


def test_evaluating_on_batches_does_not_move_them_on() -> None:
    batches = mb.Batches(X, Y, batch_size=10, seed=3)
    model = compiled()
    before = batches.state()
    model.evaluate(batches, verbose=0)
    assert batches.state() == before


def test_a_fit_on_batches_goes_on_where_the_last_one_stopped() -> None:
    a, b = compiled(), compiled()
    batches = mb.Batches(X, Y, batch_size=10, seed=3)
    a.fit(batches, epochs=2, verbose=0)
    a.fit(batches, epochs=2, verbose=0)
    b.fit(mb.Batches(X, Y, batch_size=10, seed=3), epochs=4, verbose=0)
    np.testing.assert_array_equal(a.parameters.theta, b.parameters.theta)


def test_data_in_a_memory_map_train_without_being_read_whole(tmp_path: Any) -> None:
    path = tmp_path / "x.npy"
    np.save(path, X)
    a, b = compiled(), compiled()
    a.fit(np.load(path, mmap_mode="r"), Y, batch_size=10, shuffle=False, verbose=0)
    b.fit(X, Y, batch_size=10, shuffle=False, verbose=0)
    np.testing.assert_array_equal(a.parameters.theta, b.parameters.theta)


def test_predict_on_batches() -> None:
    model = compiled()
    expected = model.predict(X, verbose=0)
    for batches in (mb.Batches(X, batch_size=10, shuffle=False), mb.Batches(X, Y, batch_size=10, shuffle=False)):
        for _ in range(2):
            np.testing.assert_allclose(model.predict(batches, verbose=0), expected, rtol=1e-6)


def test_batches_of_plain_numbers_are_samples_of_one() -> None:
    numbers = np.linspace(0, 1, 30)
    a, b = (mb.Sequential([mb.Input((1,)), mb.layers.Dense(1, kernel_initializer="ones")]) for _ in range(2))
    for model, data in ((a, (numbers,)), (b, (numbers[:, None],))):
        model.compile("sgd", "mse")
        model.fit(mb.Batches(*data, 2 * numbers, batch_size=7, seed=0), verbose=0)
    np.testing.assert_array_equal(a.parameters.theta, b.parameters.theta)


def test_data_in_an_hdf5_file(tmp_path: Any) -> None:
    import h5py

    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"], file["y"] = X, Y

    a, b = compiled(), compiled()
    with h5py.File(tmp_path / "data.h5") as file:
        a.fit(file["x"], file["y"][:], batch_size=10, shuffle=False, epochs=2, verbose=0)
        np.testing.assert_allclose(a.predict(file["x"], verbose=0), a.predict(X, verbose=0))
    b.fit(X, Y, batch_size=10, shuffle=False, epochs=2, verbose=0)
    np.testing.assert_array_equal(a.parameters.theta, b.parameters.theta)
