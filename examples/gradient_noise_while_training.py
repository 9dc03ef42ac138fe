"""How noisy is the gradient while a network learns, and what would a batch that grows with the noise do?

The monitor measures at every step, in the step's own backward pass. The noise scale, in samples, grows as the loss
falls: below it a batch of twice the size points twice as well, above it that hardly helps. A second fit takes
larger batches as the norm test asks for them.
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


monitor = mb.noise.GradientNoise()
history = network().fit(x, y, batch_size=32, epochs=20, verbose=0, callbacks=[monitor]).history

print(
    f"{'epoch':>5} {'loss':>7} {'|g_B|':>7} {'noise scale':>12} {'norm test':>10} {'cosine to G':>12} {'alpha':>7}"
)
for epoch in (0, 1, 2, 4, 9, 19):
    row = {name: values[epoch] for name, values in history.items()}
    print(
        f"{epoch + 1:>5} {row['loss']:>7.3f} {row['grad_norm']:>7.3f} {row['noise_scale']:>12.1f} "
        f"{row['norm_test']:>10.2f} {row['cosine_to_full']:>12.2f} {row['alpha']:>7.2f}"
    )

adaptive = mb.noise.AdaptiveBatchSize("norm", max_batch_size=512)
grown = network().fit(x, y, batch_size=32, epochs=20, verbose=0, callbacks=[adaptive]).history
print(f"\nWith batches that grow: {' '.join(f'{size:.0f}' for size in grown['batch_size'])}")
print(f"accuracy {grown['accuracy'][-1]:.1%}; with batches of 32 throughout {history['accuracy'][-1]:.1%}")

try:
    from minibatch.plots import cockpit
except ImportError:
    pass  # the numbers do without pictures
else:
    panels = cockpit(monitor.to_dict(), n_samples=len(x))
    panels["loss"].figure.savefig("gradient_noise_while_training.png", dpi=80)
    print("\nThe whole of it: gradient_noise_while_training.png")
