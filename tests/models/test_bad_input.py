"""Each error says what was expected and what came, and leaves everything as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minibatch as mb

L = mb.layers
X, Y = np.zeros((10, 8, 8, 1), np.float32), np.arange(10) % 3


def compiled() -> mb.Sequential:
    model = mb.Sequential([mb.Input((8, 8, 1)), L.Conv2D(2, 3), L.Flatten(), L.Dense(3, "softmax")], name="net")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def refused(call: Callable[[mb.Sequential], Any], error: Any, message: str) -> None:
    """Assert that the call raises this, and that weights, optimizer, loss and metrics are as before it."""
    model = compiled()
    theta, optimizer = model.parameters.theta.copy(), model.optimizer
    state = {name: slot.copy() for name, slot in optimizer.state.items()}
    iterations, objective = optimizer.iterations, model.objective
    with pytest.raises(error, match=message):
        call(model)
    np.testing.assert_array_equal(model.parameters.theta, theta)
    assert model.optimizer is optimizer
    assert model.objective is objective
    assert optimizer.iterations == iterations
    assert optimizer.state.keys() == state.keys()
    assert all((optimizer.state[name] == state[name]).all() for name in state)
    model.fit(X, Y, verbose=0)  # and the model still works


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": X[:9]}, "must hold the same number of samples: x has 9, y has 10"),
        ({"y": Y[:4]}, "x has 10, y has 4"),
        ({"x": None}, "x is missing"),
        ({"y": None}, "y is missing"),
        ({"x": None, "validation_split": 0.5}, "x is missing"),
        ({"y": None, "validation_split": 0.5}, "y is missing"),
        ({"x": X[:0], "y": Y[:0]}, r"x holds no samples: its shape is \(0, 8, 8, 1\)"),
        ({"x": X[..., 0]}, r"x: the model takes inputs of shape \(N, 8, 8, 1\); got \(10, 8, 8\).*x\[..., None\]"),
        ({"x": X[:, :7]}, r"the model takes inputs of shape \(N, 8, 8, 1\); got \(10, 7, 8, 1\)"),
        ({"x": 5.0}, r"x must have a sample axis, shape \(N, \.\.\.\); got"),
        ({"x": np.full((10, 8, 8, 1), "a")}, "x must be an array of numbers; got dtype <U1"),
        ({"x": np.full((10, 8, 8, 1), None)}, "x must be an array of numbers; got dtype object"),
        ({"x": X + 1j}, "x must be an array of numbers; got dtype complex"),
        ({"y": 5}, r"y must have a sample axis, shape \(N, \.\.\.\); got"),
        ({"y": Y + 1}, r"class numbers must lie in 0\.\.2, since the model has 3 outputs; y\[2\] is 3"),
        ({"y": Y - 1}, r"class numbers must lie in 0\.\.2.*y\[0\] is -1"),
        ({"y": Y + 0.5}, r"class numbers must be integers; y\[0\] is 0\.5"),
        ({"y": np.eye(3)[Y]}, "look like one-hot rows: use loss='categorical_crossentropy'"),
        ({"y": Y.astype(str)}, "numbers; got .*<U"),
        ({"batch_size": 0}, "batch_size must be.*got 0"),
        ({"batch_size": -4}, "batch_size must be.*got -4"),
        ({"epochs": 0}, "epochs must be a positive integer; got 0"),
        ({"epochs": 2.5}, r"epochs must be a positive integer; got 2\.5"),
        ({"shuffle": "sometimes"}, "shuffle must be.*got 'sometimes'"),
        ({"verbose": 7}, "verbose must be 'auto', 0, 1 or 2; got 7"),
        ({"validation_split": 1.0}, r"validation_split must lie between 0 and 1; got 1\.0"),
        ({"validation_split": -0.1}, r"validation_split must lie between 0 and 1; got -0\.1"),
        ({"validation_split": 0.95}, "=0.95 of 10 samples leaves 0 for training and 10 for validation"),
        ({"validation_data": X}, "validation_data must be a tuple .*; got ndarray"),
        ({"validation_data": (X,)}, r"validation_data must be a tuple .*; got tuple of 1"),
        ({"validation_data": (X, Y[:3])}, "validation x has 10, validation y has 3"),
        ({"validation_data": (X[:, :3], Y)}, r"validation x: the model takes inputs of shape \(N, 8, 8, 1\)"),
        ({"validation_data": (X, Y + 9)}, "class numbers must lie in"),
        ({"validation_data": (X, Y), "validation_freq": 0}, "validation_freq must be a positive integer; got 0"),
        ({"validation_data": (X, Y), "validation_batch_size": -1}, "batch_size must be.*got -1"),
        ({"sample_weight": np.ones(9)}, r"sample_weight must have shape \(10,\).*; got \(9,\)"),
        ({"sample_weight": np.ones((10, 2))}, r"sample_weight must have shape \(10,\).*; got \(10, 2\)"),
    ],
    ids=lambda value: "" if isinstance(value, str) else ", ".join(value),
)
def test_fit_refuses(arguments: dict[str, Any], message: str) -> None:
    arguments = {"x": X, "y": Y, "verbose": 0, **arguments}
    refused(lambda model: model.fit(**arguments), ValueError, message)


@pytest.mark.parametrize("batch_size", [2.5, "big", True, [10]])
def test_batch_sizes_that_are_not_integers(batch_size: object) -> None:
    refused(
        lambda m: m.fit(X, Y, batch_size=batch_size, verbose=0), (TypeError, ValueError), "batch_size must be.*got "
    )


@pytest.mark.parametrize("batch_size", [None, "full", 3, np.int64(3), 1000])
def test_batch_sizes_that_are_fine(batch_size: object) -> None:
    compiled().fit(X, Y, batch_size=batch_size, verbose=0)


def test_arguments_that_nobody_has() -> None:
    refused(
        lambda m: m.fit(X, Y, batchsize=3),
        TypeError,
        r"fit\(\) has no argument 'batchsize'. Did you mean 'batch_size'",
    )
    refused(lambda m: m.evaluate(X, Y, sample_weights=Y), TypeError, "evaluate.* Did you mean 'sample_weight'")
    refused(lambda m: m.predict(X, bath_size=1), TypeError, "predict.* Did you mean 'batch_size'")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.evaluate(X, Y[:3], verbose=0), "x has 10, y has 3"),
        (lambda m: m.evaluate(X, verbose=0), "y is missing"),
        (lambda m: m.evaluate(X, Y, batch_size=0, verbose=0), "batch_size must be.*got 0"),
        (lambda m: m.predict(None, verbose=0), "x is missing"),
        (lambda m: m.predict(X[..., 0], verbose=0), r"\(N, 8, 8, 1\); got \(10, 8, 8\)"),
        (lambda m: m.predict(X, batch_size=-1, verbose=0), "batch_size must be.*got -1"),
        (lambda m: m.predict(X[:0], verbose=0), "x holds no samples"),
        (lambda m: m.loss_and_gradient(X, Y[:2]), "x has 10, y has 2"),
        (lambda m: m(X[0]), r"\(N, 8, 8, 1\); got \(8, 8, 1\)"),
    ],
)
def test_evaluate_and_predict_refuse(call: Callable[[mb.Sequential], Any], message: str) -> None:
    refused(call, ValueError, message)


def test_batches_as_x() -> None:
    batches = mb.Batches(X, Y)
    refused(
        lambda m: m.fit(batches, Y, verbose=0),
        ValueError,
        "x is a Batches, which makes its own batches: leave y out",
    )
    refused(lambda m: m.fit(mb.Batches(X), verbose=0), ValueError, "y is missing")
    refused(lambda m: m.fit(mb.Batches(X, Y + 5), verbose=0), ValueError, "class numbers must lie in")
    refused(lambda m: m.fit(mb.Batches(X[:, :3], Y), verbose=0), ValueError, r"\(N, 8, 8, 1\)")


# compile ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"optimizer": "adan"}, ValueError, "Unknown optimizer 'adan'. Did you mean 'adam'"),
        ({"optimizer": None}, TypeError, "an optimizer is a name or .*; got None"),
        ({"loss": "mean_square_error"}, ValueError, "Unknown loss .* Did you mean 'mean_squared_error'"),
        ({"loss": None}, ValueError, "compile needs a loss"),
        ({"loss": lambda y, p: 0}, TypeError, "a loss is a name or"),
        ({"metrics": "accuracy"}, TypeError, r"metrics must be a list, such as \['accuracy'\]; got 'accuracy'"),
        ({"metrics": 3}, TypeError, "metrics must be a list"),
        ({"optimiser": "adam"}, TypeError, "compile.* no argument 'optimiser'. Did you mean 'optimizer'"),
    ],
)
def test_compile_refuses(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments = {"optimizer": "sgd", "loss": "mse", **arguments}
    refused(lambda model: model.compile(**arguments), error, message)


def test_how_keras_runs_a_step_is_accepted() -> None:
    compiled().compile(
        "sgd", "mse", run_eagerly=True, jit_compile=False, steps_per_execution=1, auto_scale_loss=True
    )


def test_unknown_metrics_are_named_before_the_first_step() -> None:
    model = compiled()
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["acuracy"])
    theta = model.parameters.theta.copy()
    with pytest.raises(ValueError, match=r"Unknown metric 'acuracy'. Did you mean 'accuracy'"):
        model.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(model.parameters.theta, theta)


def test_before_compile() -> None:
    model = mb.Sequential([mb.Input((8, 8, 1)), L.Flatten(), L.Dense(3)])
    for call in (
        lambda: model.fit(X, Y),
        lambda: model.evaluate(X, Y),
        lambda: model.loss_and_gradient(X, Y),
    ):
        with pytest.raises(ValueError, match=r"You must call compile\(optimizer, loss\) first"):
            call()
    assert not model.compiled
    assert model.predict(X, verbose=0).shape == (10, 3)  # needs no loss


def test_images_without_a_channel_axis_on_an_unbuilt_model() -> None:
    model = mb.Sequential([L.Conv2D(2, 3), L.Flatten(), L.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(
        ValueError, match=r"expected samples of shape \(H, W, C\); got \(8, 8\)\. Add the channel axis"
    ):
        model.fit(X[..., 0], Y, verbose=0)
    model.fit(X, Y, verbose=0)


def test_a_failed_first_fit_leaves_an_unbuilt_model_unbuilt() -> None:
    """Else the shape of data that was refused would stay."""
    model = mb.Sequential([L.Flatten(), L.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="x has 10, y has 4"):
        model.fit(X[:, :4], Y[:4], verbose=0)
    assert not model.built
    model.fit(X, Y, verbose=0)


# What a user tried --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps_per_epoch": 2.5}, r"steps_per_epoch must be a positive integer; got 2\.5"),
        ({"steps_per_epoch": 0}, "steps_per_epoch must be a positive integer; got 0"),
        (
            {"validation_steps": -1, "validation_data": (X, Y)},
            "validation_steps must be a positive integer; got -1",
        ),
        ({"x": "abc"}, "x must have a sample axis"),
        ({"validation_data": "x"}, "validation_data must be a tuple .*; got str"),
        ({"validation_split": "x"}, "validation_split must lie between 0 and 1; got 'x'"),
        ({"sample_weight": "x"}, "sample_weight must be an array of numbers; got 'x'"),
        ({"class_weight": {"a": 2.0}}, "class_weight maps class numbers to weights; got 'a': 2.0"),
        ({"class_weight": {0: "x"}}, "class_weight maps class numbers to weights; got 0: 'x'"),
        ({"x": [[1.0], [1.0, 2.0]]}, "x must be an array of numbers, rows of one length; got list"),
        ({"x": np.ma.masked_array(X, X > 0)}, "x is a masked array"),
    ],
    ids=lambda value: "" if isinstance(value, str) else ", ".join(value),
)
def test_fit_refuses_also(arguments: dict[str, Any], message: str) -> None:
    arguments = {"x": X, "y": Y, "verbose": 0, **arguments}
    refused(lambda model: model.fit(**arguments), ValueError, message)


@pytest.mark.parametrize("argument", ["remainder", "seed", "buffer_size"])
def test_what_belongs_to_batches_says_so(argument: str) -> None:
    refused(
        lambda model: model.fit(X, Y, **{argument: "drop"}),
        TypeError,
        rf"fit\(\) has no argument '{argument}': it belongs to Batches, which may be x: fit\(Batches\(",
    )


def test_a_dataset_that_is_not_batched_says_so() -> None:
    dataset = mb.data.Dataset.from_tensor_slices((X, Y))
    refused(lambda model: model.fit(dataset, verbose=0), ValueError, r"a single sample, not a batch.*\.batch\(n\)")


def test_metrics_whose_targets_have_another_shape_say_which_is_meant() -> None:
    for metric, message in (
        ("categorical_accuracy", "use 'sparse_categorical_accuracy', or 'accuracy'"),
        ("binary_accuracy", "to_categorical"),
        ("AUC", "to_categorical"),
        (mb.metrics.Precision(), "to_categorical"),
    ):
        model = compiled()
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=[metric])
        with pytest.raises(ValueError, match=message):
            model.evaluate(X, Y, verbose=0)


def test_subclassing_a_model_is_refused_in_words() -> None:
    class Mine(mb.Model):
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(TypeError, match="subclassing Model with a call method is not here"):
        Mine()


def test_forgotten_brackets() -> None:
    with pytest.raises(TypeError, match=r"Sequential takes a list of layers: Sequential\(\[Dense"):
        mb.Sequential(mb.layers.Dense(3))  # type: ignore[arg-type]


def test_overflow_is_reported_once_in_the_librarys_words() -> None:
    model = mb.Sequential([mb.Input((3,)), mb.layers.Dense(4, "relu"), mb.layers.Dense(1)])
    model.compile(mb.optimizers.SGD(1e30), "mse")
    with pytest.warns(UserWarning, match="The loss is NaN") as caught:
        model.fit(np.ones((40, 3)), np.ones(40), epochs=3, verbose=0)
    assert len(caught) == 1


def test_saving_into_a_folder_that_is_not_there(tmp_path: Any) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no folder '.*none' to write 'm\.keras' into"):
        compiled().save(tmp_path / "none" / "m.keras")


def test_a_model_without_weights_warns_when_it_is_saved(tmp_path: Any) -> None:
    with pytest.warns(UserWarning, match="saved before it is built"):
        mb.Sequential([mb.layers.Dense(2)]).save(tmp_path / "m.keras")
