"""One layer in both libraries, from the same weights: outputs, gradients, moved state and configurations."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from parity.keras_reference import keras, largest_difference, tf

import minibatch as mb
from minibatch.models.construction import layer_from_config

#: Of float32's rounding of sums of a few hundred terms of size 1.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}

#: The largest difference of each kind that was met, for a report.
LARGEST: dict[str, float] = {}


def close(what: str, mine: Any, theirs: Any) -> None:
    assert np.shape(mine) == np.shape(theirs), f"{what}: shape {np.shape(mine)}, Keras's is {np.shape(theirs)}"
    np.testing.assert_allclose(mine, theirs, err_msg=what, **CLOSE)
    if np.size(mine):
        kind = what.split()[0]
        LARGEST[kind] = max(LARGEST.get(kind, 0), largest_difference(mine, theirs))


def same_layer(theirs: Any, mine: Any, x: Any, training: bool = False) -> None:
    """Compare y, the gradients of sum(R * y) by every input and trainable weight, and all weights afterwards."""
    several = isinstance(x, list)
    xs = [np.asarray(part, "float32") for part in (x if several else [x])]
    shapes = [part.shape[1:] for part in xs]
    batch_shapes = [(None, *shape) for shape in shapes]
    if not theirs.built:
        theirs.build(batch_shapes if several else batch_shapes[0])
    mine.ensure_built(shapes if several else shapes[0])
    assert [(w.name, tuple(w.shape)) for w in theirs.weights] == [(w.name, w.shape) for w in mine.weights]
    assert [w.trainable for w in theirs.weights if theirs.trainable] == [
        w.trainable for w in mine.weights if theirs.trainable
    ]
    rng = np.random.default_rng(4)
    weights = [rng.normal(size=w.shape) for w in mine.weights]
    weights = [w if weight.trainable else np.abs(w) for weight, w in zip(mine.weights, weights, strict=True)]
    theirs.set_weights(weights)
    mine.set_weights(weights)
    name = type(mine).__name__
    by_weights = [(w, v) for w, v in zip(mine.weights, theirs.weights, strict=True) if w.trainable]
    with tf.GradientTape() as tape:
        inputs = [tf.constant(part) for part in xs]
        tape.watch(inputs)
        arguments = {"training": training} if theirs._call_has_training_arg else {}
        outputs = theirs(inputs if several else inputs[0], **arguments)
        R = np.random.default_rng(9).normal(size=outputs.shape).astype("float32")
        value = tf.reduce_sum(R * outputs)
    trainable = [v.value for _, v in by_weights] if theirs.trainable else []
    gradients = tape.gradient(value, [*inputs, *trainable])
    y, cache = mine.forward(xs if several else xs[0], training)
    assert y.dtype == np.float32
    assert y.shape[1:] == mine.output_shape
    close(f"{name} y", y, outputs.numpy())
    dx = mine.backward(R, cache)
    for mine_dx, theirs_dx in zip(dx if several else [dx], gradients, strict=False):
        assert (mine_dx is None) == (theirs_dx is None)
        if mine_dx is not None:
            close(f"{name} dx", mine_dx, theirs_dx.numpy())
    for (weight, _), gradient in zip(by_weights, gradients[len(xs) :], strict=False):
        close(f"{name} d{weight.name}", weight.gradient, tf.convert_to_tensor(gradient).numpy())
    for weight, variable in zip(mine.weights, theirs.weights, strict=True):
        close(f"{name} {weight.name} afterwards", weight.value, variable.numpy())


def same_config(theirs: Any, mine: Any) -> None:
    """Check that each library makes the same layer again from the other's configuration."""
    kind = type(mine).__name__
    again = getattr(keras.layers, kind).from_config(mine.get_config())
    expected = {**theirs.get_config(), "name": mine.name}
    assert _seedless(again.get_config()) == _seedless(expected)
    entry = {"class_name": kind, "config": theirs.get_config(), "registered_name": None}
    back = layer_from_config(entry)
    assert type(back) is type(mine)
    assert _seedless(back.get_config()) == _seedless({**mine.get_config(), "name": theirs.name})


def same_signature(name: str) -> None:
    """Compare the constructors' arguments: the same order and defaults, up to the first that only Keras has."""
    theirs, mine = (
        [(p.name, p.default) for p in inspect.signature(getattr(library.layers, name)).parameters.values()]
        for library in (keras, mb)
    )
    ends = [i for i, (n, _) in enumerate(theirs) if n in ("activity_regularizer", "name", "kwargs")]
    assert mine[: min(ends)] == theirs[: min(ends)]


def _seedless(config: Any) -> Any:
    """Return a configuration in lists and dicts, floats in float32 (as Keras keeps some), without drawn seeds."""
    if isinstance(config, dict):
        return {key: _seedless(value) for key, value in config.items() if key != "seed"}
    if isinstance(config, list | tuple):
        return [_seedless(item) for item in config]
    return float(np.float32(config)) if isinstance(config, float) else config
