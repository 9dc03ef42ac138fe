from __future__ import annotations

import numpy as np
import pytest

import minibatch as mb

L = mb.layers


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    mb.Sequential([mb.Input((64,)), L.Dense(32, "relu"), L.Dense(10, "softmax")]).summary()
    assert capsys.readouterr().out == (
        'Model: "sequential"\n'
        "┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓\n"
        "┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃\n"
        "┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩\n"
        "│ dense (Dense)                   │ (None, 32)             │         2,080 │\n"
        "├─────────────────────────────────┼────────────────────────┼───────────────┤\n"
        "│ dense_1 (Dense)                 │ (None, 10)             │           330 │\n"
        "└─────────────────────────────────┴────────────────────────┴───────────────┘\n"
        " Total params: 2,410 (9.41 KB)\n"
        " Trainable params: 2,410 (9.41 KB)\n"
        " Non-trainable params: 0 (0.00 B)\n"
    )


def test_the_optimizer_s_share_once_it_has_one() -> None:
    """Adam keeps two vectors, and every optimizer a step count (8 bytes) and a rate (4 bytes), as Keras counts."""
    model = mb.Sequential([mb.Input((4,)), L.Dense(2)])
    model.compile("adam", "mse")
    model.fit(np.zeros((2, 4)), np.zeros((2, 2)), verbose=0)
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    assert lines[-4:] == [
        " Total params: 32 (132.00 B)",
        " Trainable params: 10 (40.00 B)",
        " Non-trainable params: 0 (0.00 B)",
        " Optimizer params: 22 (92.00 B)",
    ]


def test_long_names_widen_the_table() -> None:
    lines: list[str] = []
    mb.Sequential([mb.Input((4,)), L.Dense(2, name="a" * 60)]).summary(print_fn=lines.append)
    assert len({len(line) for line in lines[1:6]}) == 1
    assert "a" * 60 + " (Dense)" in lines[4]


@pytest.mark.usefixtures("float64")
def test_float64_takes_twice_the_room() -> None:
    lines: list[str] = []
    mb.Sequential([mb.Input((64,)), L.Dense(32)]).summary(print_fn=lines.append)
    assert " Total params: 2,080 (16.25 KB)" in lines
