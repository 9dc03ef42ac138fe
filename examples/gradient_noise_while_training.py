"""How noisy is the gradient while a network learns, and what would a batch that grows with the noise do?

The monitor measures at every step, in the step's own backward pass. The noise scale, in samples, grows as the loss
falls. Below it, four times the batch points up to twice as well (the cosine to the full gradient goes as the root
of the batch size); above it, more hardly helps. Two columns show it: the monitor's is of running means over about
100 steps and lags behind; the exact one is of all samples at the weights of the epoch's end, and jumps about.

Then batches grow, as the norm test asks for them. Over the same samples (20 epochs) they make far fewer updates, at
the same learning rate, and come less far. Over as many updates they come a little farther than batches of 32, for
several times the samples. So growing pays where a step on a large batch takes hardly longer than one on a small
one, or with a learning rate that grows, too; not for its own sake.
"""

import numpy as np

import minibatch as mb

(x, y), _ = mb.datasets.digits.load_data()
x = x.reshape(-1, 64).astype(np.float32) / 16


def network():
    mb.utils.set_random_seed(0)
    model = mb.Sequential([mb.Input((64,)), mb.layers.Dense(32, "relu"), mb.layers.Dense(10, "softmax")])
    model.compile(mb.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class StopAfter(mb.callbacks.Callback):
    """Ends a fit after so many updates."""

    def __init__(self, updates):
        super().__init__()
        self.updates = updates

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = self.model.optimizer.iterations >= self.updates


model, exact = network(), []


def measure(epoch, logs):
    exact.append(mb.noise.gradient_noise(model, x, y, batch_sizes=[32], draws=0).noise_scale)


beside = mb.callbacks.LambdaCallback(on_epoch_end=measure)
monitor = mb.noise.GradientNoise()
history = model.fit(x, y, batch_size=32, epochs=20, verbose=0, callbacks=[monitor, beside]).history

print(f"{'':>5} {'':>7} {'':>7} {'noise scale (samples)':>25}")
print(f"{'epoch':>5} {'loss':>7} {'|g_B|':>7} {'monitor, lags':>15} {'exact':>9} {'cosine to G':>12} {'alpha':>6}")
for epoch in (0, 1, 2, 4, 9, 19):
    row = {name: values[epoch] for name, values in history.items()}
    print(
        f"{epoch + 1:>5} {row['loss']:>7.3f} {row['grad_norm']:>7.3f} {row['noise_scale']:>15,.0f} "
        f"{exact[epoch]:>9,.0f} {row['cosine_to_full']:>12.2f} {row['alpha']:>6.2f}"
    )


def report(words, model, samples):
    loss, accuracy = model.evaluate(x, y, verbose=0)
    updates = model.optimizer.iterations
    print(f"{words:<42} {updates:>7,} {samples:>9,} {loss:>7.3f} {accuracy:>9.1%}")


growing = network()
adaptive = mb.noise.AdaptiveBatchSize("norm", max_batch_size=512)
grown = growing.fit(x, y, batch_size=32, epochs=20, verbose=0, callbacks=[adaptive]).history
updates = growing.optimizer.iterations
short = network()
short.fit(x, y, batch_size=32, epochs=20, verbose=0, callbacks=[StopAfter(updates)])

print(
    f"\nBatch size at the end of each epoch, growing: {' '.join(f'{size:.0f}' for size in grown['batch_size'])}\n"
)
print(f"{'':<42} {'updates':>7} {'samples':>9} {'loss':>7} {'accuracy':>9}")
report("batches of 32", model, 20 * len(x))
report("growing, over the same samples", growing, 20 * len(x))
epochs, rest = divmod(updates, 45)  # 1,437 samples in batches of 32
report("batches of 32, as many updates as growing", short, epochs * len(x) + rest * 32)

try:
    from minibatch.plots import cockpit
except ImportError:
    pass  # the numbers do without pictures
else:
    panels = cockpit(monitor, n_samples=len(x))
    panels["loss"].figure.savefig("gradient_noise_while_training.png", dpi=80)
    print("\nThe whole of it: gradient_noise_while_training.png")
