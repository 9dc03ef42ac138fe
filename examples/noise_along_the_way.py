"""How noisy is the gradient at the start of a training, and at its end?

As the loss falls the full gradient shrinks faster than the samples' disagreement, so the noise scale grows: a batch
that pointed well at the start points almost anywhere at the end.
"""

import numpy as np

import minibatch as mb

mb.utils.set_random_seed(0)
(x, y), _ = mb.datasets.digits.load_data()
x = x.reshape(-1, 64).astype(np.float32) / 16

model = mb.Sequential([mb.Input((64,)), mb.layers.Dense(32, "relu"), mb.layers.Dense(10, "softmax")])
model.compile(mb.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])

for epochs in (0, 5, 25):
    if epochs:
        model.fit(x, y, batch_size=32, epochs=epochs, verbose=0)
    loss, accuracy = model.evaluate(x, y, verbose=0)
    print(f"\nloss {loss:.3f}, accuracy {accuracy:.1%}")
    print(mb.noise.gradient_noise(model, x, y, batch_sizes=[1, 8, 32, 128, "full"]).table())
