"""How rounding grows over 1,035 steps, here against Keras on TensorFlow: the numbers behind docs/compare.md.

    python benchmarks/results/2026-11-21-cpu-rounding/growth.py [DIR]

Writes ``growth.json`` and ``growth.png``. Some minutes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import minibatch as mb
from minibatch.compare import Comparison, side_by_side
from minibatch.plots.comparison import side_styles
from minibatch.plots.style import house_style

#: Numbers that float32 holds exactly: Keras's TensorFlow backend rounds Adam's betas to float32, in float64 too.
OPTIMIZERS = {
    "SGD": lambda K: K.optimizers.SGD(0.125),
    "Adam": lambda K: K.optimizers.Adam(2**-10, beta_1=0.875, beta_2=1 - 2**-10, epsilon=2**-23),
}
CASES = {
    "float32, ReLU and max pooling": ("float32", True),
    "float32, tanh and average pooling": ("float32", False),
    "float64, ReLU and max pooling": ("float64", True),
}


def network(kind: str, optimizer: str, kinks: bool) -> Callable[[Any], Any]:
    def build(K: Any) -> Any:
        L = K.layers
        act = "relu" if kinks else "tanh"
        pool = L.MaxPooling2D if kinks else L.AveragePooling2D
        body = [L.Flatten(), L.Dense(64, act), L.Dense(32, act)]
        if kind == "CNN":
            first = [L.Conv2D(16, 3, padding="same", activation=act), pool(2)]
            second = [L.Conv2D(32, 3, padding="same", activation=act), pool(2)]
            body = [*first, *second, L.Flatten(), L.Dense(32, act)]
        model = K.Sequential([K.Input((8, 8, 1)), *body, L.Dense(10, "softmax")])
        model.compile(OPTIMIZERS[optimizer](K), "sparse_categorical_crossentropy")
        return model

    return build


def measure(kind: str, optimizer: str, precision: str, kinks: bool) -> Comparison:
    (x, y), _ = mb.datasets.digits.load_data()
    return side_by_side(
        network(kind, optimizer, kinks),
        (x[..., None] / 16).astype("float32"),
        y,
        batch_sizes=[32],
        epochs=23,
        device="cpu",
        precision=precision,
        noise_steps=(),
        time_fit=False,
    )


def main(folder: Path) -> None:
    found: dict[str, Any] = {}
    for case, (precision, kinks) in CASES.items():
        for kind in ("MLP", "CNN"):
            for optimizer in OPTIMIZERS:
                comparison = measure(kind, optimizer, precision, kinks)
                (pair,) = comparison.pairs.values()
                found.setdefault("sides", [vars(side) for side in comparison.sides])
                found.setdefault("host", comparison.settings["host"])
                found.setdefault(case, {})[f"{kind}, {optimizer}"] = {
                    "largest_loss_difference": pair.largest_loss_difference,
                    "first_100_steps": float(pair.loss_difference[:100].max()),
                    "updates": pair.weight_steps.tolist(),
                    "weight_difference": pair.weight_difference.tolist(),
                }
                print(f"{case:<36} {kind} {optimizer:<5} loss {pair.largest_loss_difference:.1e}, "
                      f"weights {pair.final_weight_difference:.1e}", flush=True)  # fmt: skip
    (folder / "growth.json").write_text(json.dumps(found, indent=1) + "\n")
    draw(found).savefig(folder / "growth.png", dpi=130)


def draw(found: dict[str, Any]) -> Figure:
    with house_style():
        figure = Figure(figsize=(11, 4.4), layout="constrained")
        panels = figure.subplots(1, len(CASES), sharey=True)
        names = list(found[next(iter(CASES))])
        styles = side_styles(["", *names])
        for panel, case in zip(panels, CASES, strict=True):
            for name in names:
                updates, gaps = (np.array(found[case][name][key]) for key in ("updates", "weight_difference"))
                look = styles[name] | {"marker": ""}
                panel.loglog(updates[1:], np.maximum(gaps[1:], 1e-17), label=name, **look)
            panel.set_title(case.replace(", ", ",\n", 1), loc="left")
            panel.set_xlabel("updates made")
            panel.grid(axis="y", color="#E6E6E6", linewidth=0.7)
        panels[0].set_ylabel("largest difference of a weight")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=4, frameon=False, handlelength=3.0)
    return figure


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
