from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minibatch as mb

L = mb.layers


def lines_of(model: mb.Model, **arguments: Any) -> list[str]:
    texts: list[str] = []
    model.summary(print_fn=texts.append, **arguments)
    assert len(texts) == 1
    return texts[0].removesuffix("\n").split("\n")


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
    lines = lines_of(model)
    assert lines[-4:] == [
        " Total params: 32 (132.00 B)",
        " Trainable params: 10 (40.00 B)",
        " Non-trainable params: 0 (0.00 B)",
        " Optimizer params: 22 (92.00 B)",
    ]


def test_long_names_widen_the_table() -> None:
    lines = lines_of(mb.Sequential([mb.Input((4,)), L.Dense(2, name="a" * 60)]))
    assert len({len(line) for line in lines[1:6]}) == 1
    assert "a" * 60 + " (Dense)" in lines[4]


def test_which_layers_move_and_how_wide() -> None:
    model = mb.Sequential([mb.Input((4,)), L.Dense(2), L.Flatten(), L.Dense(1, trainable=False)])
    lines = lines_of(model, line_length=100, show_trainable=True, expand_nested=True)
    assert {len(line) for line in lines[1:10]} == {100}
    assert [line.split()[-2] for line in lines[2:9:2]] == ["Trainable", "Y", "-", "N"]
    assert {len(line) for line in lines_of(model, line_length=60)[1:10]} == {60}
    for argument in ("positions", "layer_range"):
        with pytest.raises(TypeError, match=rf"summary\(\): the argument '{argument}' of Keras is not here"):
            model.summary(**{argument: [1]})
    with pytest.raises(TypeError, match=r"summary\(\) has no argument 'line_lenght'.*'line_length'"):
        model.summary(line_lenght=3)


@pytest.mark.usefixtures("float64")
def test_float64_takes_twice_the_room() -> None:
    lines = lines_of(mb.Sequential([mb.Input((64,)), L.Dense(32)]))
    assert " Total params: 2,080 (16.25 KB)" in lines
