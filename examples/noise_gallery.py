"""
Every picture of gradient noise, from one short run
===================================================

A small network is trained on the digits while ``GradientNoise`` watches; the batch grows from 16 to 64 to 256 on
the way. Its gradient is measured at every batch size, at the start and at the end. Last, three batch sizes walk
over the loss from one start. The pictures land in ``noise-gallery/``, or in the folder named on the command line.
"""

import sys
import time
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt

import minibatch as mb
from minibatch import plots
from minibatch.batching import Batches
from minibatch.noise import GradientNoise, gradient_noise
from minibatch.study import Trajectory

began = time.perf_counter()
folder = Path(sys.argv[1] if len(sys.argv) > 1 else "noise-gallery")
folder.mkdir(parents=True, exist_ok=True)


def save(name, drawn):
    figure = np.ravel(drawn)[0].figure
    figure.savefig(folder / f"{name}.png", dpi=100)
    plt.close(figure)
    print(f"{time.perf_counter() - began:5.1f} s  {folder / name}.png")


(x, y), _ = mb.datasets.digits.load_data()
x = x.reshape(-1, 64).astype(np.float32) / 16
N = len(x)


def build():
    mb.utils.set_random_seed(0)
    layers = [mb.layers.Dense(32, "relu", name="hidden"), mb.layers.Dense(10, "softmax", name="digits")]
    model = mb.Sequential([mb.Input((64,)), *layers])
    model.compile(mb.optimizers.SGD(0.2), "sparse_categorical_crossentropy")
    return model


def growing_batches():
    for batch_size, epochs in ((16, 4), (64, 6), (256, 10)):
        for epoch in range(epochs):
            yield from Batches(x, y, batch_size=batch_size, seed=epoch)


# One training, watched at every step; what takes longer than a step, at every eighth.
model = build()
sizes = [1, 4, 16, 64, 256, "full"]
start = gradient_noise(model, x, y, batch_sizes=sizes, by_layer=True)
every_step = [
    "loss",
    "grad_norm",
    "update_size",
    "distance",
    "noise_scale",
    "trace",
    "grad_norm2",
    "signal_to_noise",
]
every_step += ["norm_test", "inner_product_test", "orthogonality_test", "gsnr", "cabs", "eb", "alpha"]
intervals = dict.fromkeys([*every_step, "cosine_to_previous"], 1) | {"cosine_to_full": 8, "histogram": 8}
monitor = GradientNoise(quantities=intervals, full=(x, y), decay=0.95)
model.fit(growing_batches(), epochs=1, verbose=0, callbacks=[monitor])
end = gradient_noise(model, x, y, batch_sizes=sizes, by_layer=True)
print(end.table())

# Noise and direction by batch size, and by layer.
for when, report in (("start", start), ("end", end)):
    rows = report.by_batch_size
    angles = {row.batch_size: row.angle for row in rows}
    theory = {row.batch_size: row.theory_angle for row in rows}
    save(f"noise-by-batch-size-{when}", report.plot())
    save(f"direction-spread-{when}", plots.direction_spread(angles, theory=theory, n_samples=N))
    save(f"direction-rose-{when}", plots.direction_rose(angles, theory=theory, n_samples=N))
    save(f"direction-roses-{when}", plots.direction_roses(angles, theory=theory, n_samples=N))
    save(f"noise-by-layer-{when}", plots.noise_by_layer(report.by_layer, noise_scale=report.noise_scale))

# The training, step by step: three pictures, and one page of all.
record = monitor.to_dict()
steps, values, used, seen = (record[part] for part in ("steps", "values", "batch_sizes", "histograms"))
batch_sizes = (used["steps"], used["values"])
save(
    "noise-scale-over-training",
    plots.noise_scale_over_training(
        steps["noise_scale"], values["noise_scale"], batch_sizes=batch_sizes, n_samples=N, decay=0.95
    ),
)
save(
    "noise-parts-over-training",
    plots.noise_parts_over_training(steps["trace"], values["trace"], values["grad_norm2"], decay=0.95),
)
save(
    "gradient-histograms",
    plots.gradient_histograms(seen["steps"], seen["edges"], seen["counts"], share=True, clipped=True),
)
save("cockpit", plots.cockpit(monitor, n_samples=N)["loss"])

# Three batch sizes make 90 updates each, on the plane of their paths.
updates, paths = 90, {}
for batch_size in (1, 32, N):
    model, trajectory = build(), Trajectory()
    epochs = -(-updates * batch_size // N)
    model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0, callbacks=[trajectory])
    paths[batch_size] = trajectory.points[: updates + 1]
plane = plots.principal_plane(paths)
walked = np.concatenate(list(plane.projected.values()))
xs, ys = np.linspace(walked.min(axis=0) - 0.3, walked.max(axis=0) + 0.3, 25).T


def loss_at(point):
    model.parameters.theta[...] = plane.lift([point])[0]
    return model.evaluate(x, y, batch_size="full", verbose=0)


loss = np.array([[loss_at((a, b)) for a in xs] for b in ys])
land = {"contours": (xs, ys, loss), "explained": plane.explained, "n_samples": N}
title = f"The digits network, {updates} updates each"
save("gradient-directions", plots.gradient_directions(plane.projected, **land, title=title))
animation = plots.animate_directions(
    plane.projected,
    times={batch_size: np.arange(len(path)) for batch_size, path in paths.items()},
    clock="updates",
    frames=24,
    interval=120,
    title=title,
    **land,
)
animation.save(folder / "gradient-directions.gif", writer="pillow", dpi=70)
print(f"{time.perf_counter() - began:5.1f} s  {folder / 'gradient-directions'}.gif")
