"""
Step by step beside Keras
=========================

One model, written once in terms of the package it is given; trained here and in Keras from the same weights on the
same batches. The losses agree to the rounding of float32 at every step.
"""

import sys

import minibatch as mb


def build(K):
    L = K.layers
    model = K.Sequential([K.Input((64,)), L.Dense(32, activation="tanh"), L.Dense(10, activation="softmax")])
    model.compile(K.optimizers.Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


(x, y), (x_test, y_test) = mb.datasets.digits.load_data()
x, x_test = (images.reshape(-1, 64).astype("float32") / 16 for images in (x, x_test))

try:
    found = mb.compare.side_by_side(
        build, x, y, batch_sizes=[32, 128], epochs=3, validation_data=(x_test, y_test), noise_samples=256
    )
except mb.compare.BackendMissingError as error:
    sys.exit(print(error))
print(found.table())

pair = found.pairs[found.sides[1].name, 32, 0]
print(f"\nAfter {len(pair.loss_difference)} steps no loss differs by more than {pair.largest_loss_difference:.1e}.")
found.plot().savefig("side-by-side.png", dpi=120)
