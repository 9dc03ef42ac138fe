"""docs/keras-parity.md says what is so, and what it says is not here says so itself when it is asked for."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from parity.keras_reference import keras

import minibatch as mb
from tools import keras_parity
from tools.keras_parity import PAGE, Row, room_of, rows

written = PAGE.read_text(encoding="utf-8")

TABLE = rows()
NOT_HERE = [row for row in TABLE if not row.here]
REFUSED = [(row, argument) for row in TABLE for argument in row.refused]
SAYS_SO = r"Keras has .* The nearest here: .*\w.*\.|is a spelling of Keras 2; today it is .*\w.*\."


def label(row: Row) -> str:
    return f"{row.room}.{row.name}".strip(".")


def test_the_page_is_as_the_libraries_are() -> None:
    assert keras_parity.page(TABLE) == written, f"docs/keras-parity.md is stale: run {keras_parity.COMMAND}"


def test_what_is_said_by_hand_is_of_names_that_are_here() -> None:
    assert set(keras_parity.MEANS) <= {label(row) for row in TABLE if row.here}


@pytest.mark.parametrize("row", NOT_HERE, ids=label)
def test_a_name_that_is_not_here_says_so(row: Row) -> None:
    with pytest.raises(AttributeError, match=SAYS_SO):
        getattr(room_of(mb, row.room), row.name)
    if row.room and row.room not in ("Model", "Sequential"):
        with pytest.raises(ImportError, match=SAYS_SO):
            exec(f"from minibatch.{row.room} import {row.name}")


MODULES = [row for row in NOT_HERE if inspect.ismodule(getattr(room_of(keras, row.room), row.name))]


@pytest.mark.parametrize("row", MODULES, ids=label)
def test_a_module_that_is_not_here_says_so(row: Row) -> None:
    for statement in (f"import minibatch.{label(row)} as m", f"from minibatch.{label(row)}.inner import name"):
        with pytest.raises(ModuleNotFoundError, match=SAYS_SO):
            exec(statement)


def as_strings() -> list[Any]:
    """Return the names that Keras's ``get`` takes as strings and that are not here."""
    found = []
    for row in NOT_HERE:
        get = getattr(room_of(keras, row.room), "get", None) if row.room not in ("Model", "Sequential") else None
        if get is None or row.name == "legacy":
            continue
        try:
            get(row.name)
        except (KeyError, TypeError, ImportError):  # found, and made without the arguments, or SciPy, that it needs
            pass
        except ValueError:
            continue
        found.append(pytest.param(row, id=label(row)))
    return found


@pytest.mark.parametrize("row", as_strings())
def test_a_string_that_is_not_here_says_so(row: Row) -> None:
    with pytest.raises(ValueError, match=SAYS_SO):
        room_of(mb, row.room).get(row.name)


#: A value for each argument that a constructor needs.
NEEDED: dict[str, Any] = {
    **dict.fromkeys(("units", "filters", "kernel_size", "input_dim", "output_dim"), 2),
    **dict.fromkeys(("height_factor", "width_factor", "rate", "stddev"), 0.1),
    "shape": (2,),
    "model": None,
    "filepath": "not-written.keras",
}


@pytest.mark.parametrize(("row", "argument"), [pytest.param(*r, id=f"{label(r[0])}-{r[1]}") for r in REFUSED])
def test_a_refused_argument_is_named(row: Row, argument: str) -> None:
    thing = getattr(room_of(mb, row.room), row.name)
    empty = inspect.Parameter.empty
    needed = {
        n: NEEDED[n] for n, p in inspect.signature(thing).parameters.items() if p.default is empty and n in NEEDED
    }
    with pytest.raises(TypeError, match=f"'{argument}'"):
        thing(**needed, **{argument: object()})


def test_no_room_names_as_missing_what_it_has() -> None:
    """But for a name that is here in one way and missing in another, as the activation that has no defaults."""
    for room in keras_parity.ROOMS:
        place = room_of(mb, room)
        table = getattr(place, "NOT_HERE", None)
        names = [name for name in (table.nearest if table else ()) if hasattr(place, name)]
        assert names == (["threshold"] if room == "activations" else []), f"{room}: {names} are here by now"


@pytest.mark.parametrize(
    ("spelling", "today"),
    [
        ("import minibatch as mb; mb.np_utils", "utils.to_categorical"),
        ("from minibatch import np_utils", "utils.to_categorical"),
        ("from minibatch.utils import np_utils", "utils"),
        ("from minibatch.utils.np_utils import to_categorical", "utils.to_categorical"),
        ("from minibatch.layers.core import Dense", "from minibatch.layers import"),
        ("from minibatch import objectives", "minibatch.losses"),
        ("from minibatch.layers import convolutional", "from minibatch.layers import"),
        ("import minibatch as mb; mb.layers.CuDNNLSTM(3)", "SimpleRNN"),
        ("import minibatch as mb; mb.layers.advanced_activations.LeakyReLU()", "from minibatch.layers import"),
        ("import minibatch as mb; mb.optimizers.adam(0.1)", "minibatch.optimizers.Adam"),
        ("import minibatch as mb; mb.optimizers.legacy.Adam()", "minibatch.optimizers itself"),
        ("import minibatch as mb; mb.optimizers.SGD(lr=0.1)", "learning_rate"),
        ("from minibatch.models import model_from_yaml", "model_from_json"),
        ("import minibatch as mb; mb.Sequential(name='m').fit_generator([])", "fit"),
        ("import minibatch as mb; mb.Sequential(name='m').predict_classes([])", "argmax"),
    ],
)
def test_a_spelling_of_keras_2_names_todays(spelling: str, today: str) -> None:
    with pytest.raises(
        (AttributeError, ImportError, TypeError), match=f"is a spelling of Keras 2; today it is .*{today}"
    ):
        exec(spelling)


def test_a_file_with_a_layer_that_is_not_here_says_so() -> None:
    model = keras.Sequential([keras.Input((4, 2)), keras.layers.LSTM(3)], name="m")
    with pytest.raises(ValueError, match=r"layer of class 'LSTM'.*The nearest here: SimpleRNN"):
        mb.models.model_from_json(model.to_json())


def test_a_name_that_nobody_has_gets_the_near_misses() -> None:
    with pytest.raises(AttributeError, match=r"has no attribute 'Dens'.*'Dense'"):
        _ = mb.layers.Dens
    with pytest.raises(ImportError, match=r"has no attribute 'Dens'.*'Dense'"):
        from minibatch.layers import Dens  # noqa: F401
    with pytest.raises(AttributeError, match="'Sequential' object has no attribute 'fitt'"):
        _ = mb.Sequential(name="m").fitt
