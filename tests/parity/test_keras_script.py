"""One script, run with Keras's import lines and with ours: nothing else in it changes."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import pytest
from parity.keras_reference import BOTH, some_digits

THEIR_IMPORTS = """
import keras
from keras.callbacks import EarlyStopping
from keras.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from keras.models import Sequential
from keras.utils import to_categorical
"""

SCRIPT = """
import numpy as np

keras.utils.set_random_seed(42)
x_train, x_test = x[:300].astype("float32") / 16, x[300:].astype("float32") / 16
y_train, y_test = to_categorical(y[:300], 10), to_categorical(y[300:], 10)

model = Sequential()
model.add(keras.Input(shape=x_train.shape[1:]))
model.add(Conv2D(16, (3, 3), padding="same", activation="relu"))
model.add(Conv2D(16, (3, 3), activation="relu"))
model.add(MaxPooling2D(pool_size=(2, 2)))
model.add(Dropout(0.25))

model.add(Conv2D(32, (3, 3), padding="same", activation="relu"))
model.add(Conv2D(32, (3, 3), activation="relu"))
model.add(MaxPooling2D(pool_size=(1, 1)))
model.add(Dropout(0.25))

model.add(Flatten())
model.add(Dense(64, activation="relu"))
model.add(Dropout(0.5))
model.add(Dense(10, activation="softmax"))

model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
model.summary()
history = model.fit(
    x_train,
    y_train,
    batch_size=32,
    epochs=3,
    verbose=2,
    validation_data=(x_test, y_test),
    shuffle=True,
    callbacks=[EarlyStopping(monitor="val_loss", patience=5, restore_best_weights=True)],
)
score = model.evaluate(x_test, y_test, verbose=0)
predictions = model.predict(x_test)
print("Test loss: %.3f, test accuracy: %.3f" % (score[0], score[1]))
best = np.argmax(predictions, axis=1)
"""


def run(imports: str) -> tuple[dict[str, Any], str]:
    x, y = some_digits(400)
    names: dict[str, Any] = {"x": x * 16, "y": y}
    out = io.StringIO()
    with redirect_stdout(out), pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "80")
        exec(compile(imports + SCRIPT, "script", "exec"), names)
    return names, re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())


def masked(text: str) -> str:
    """Hide what may differ: times, and the numbers that depend on random draws."""
    text = re.sub(r"\d+(us|ms|s)/step *", "T/step", text)
    text = re.sub(r"\b\d+s\b", "Ts", text)
    return re.sub(r"\d\.\d+(e-\d+)?", "#", text)


@pytest.fixture(scope="module")
def runs() -> tuple[tuple[dict[str, Any], str], tuple[dict[str, Any], str]]:
    our_imports = re.sub(r"import keras\n", "import minibatch as keras\n", THEIR_IMPORTS)
    our_imports = re.sub(r"from keras\.", "from minibatch.", our_imports)
    return run(THEIR_IMPORTS), run(our_imports)


def test_it_runs_and_returns_the_same_things(runs: Any) -> None:
    (theirs, _), (mine, _) = runs
    assert type(mine["model"]).__module__.startswith("minibatch.")
    assert list(mine["history"].history) == list(theirs["history"].history)
    assert mine["history"].params == theirs["history"].params
    assert mine["history"].epoch == theirs["history"].epoch == [0, 1, 2]
    assert len(mine["score"]) == len(theirs["score"]) == 2
    assert mine["predictions"].shape == theirs["predictions"].shape == (100, 10)
    assert mine["predictions"].dtype == theirs["predictions"].dtype
    np.testing.assert_allclose(mine["predictions"].sum(axis=1), 1, rtol=1e-5)
    assert mine["best"].shape == theirs["best"].shape
    assert mine["model"].count_params() == theirs["model"].count_params()


def test_it_learns_as_much(runs: Any) -> None:
    (theirs, _), (mine, _) = runs
    their_loss, my_loss = (names["history"].history["loss"] for names in (theirs, mine))
    assert my_loss[-1] < my_loss[0]
    assert my_loss[-1] == pytest.approx(their_loss[-1], abs=0.5)


def test_it_prints_the_same(runs: Any) -> None:
    (_, theirs), (_, mine) = runs
    # Keras draws the line of predict over and over; only how it ends is to be seen.
    last = [re.sub(r"[^\n]*[\b\r]+", "", text) for text in (theirs, mine)]
    assert masked(last[1]) == masked(last[0])


@pytest.mark.parametrize(("verbose", "epochs"), [(1, 2), (2, 2), ("auto", 1)])
def test_progress_lines(verbose: Any, epochs: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Of fit with validation, evaluate and predict, over more than nine steps; without colours and times."""
    x, y = np.ones((120, 2), "float32"), np.zeros((120, 1), "float32")
    printed = []
    for lib in BOTH:
        model = lib.Sequential(
            [lib.Input((2,)), lib.layers.Dense(1, kernel_initializer="ones", bias_initializer="ones")]
        )
        model.compile(lib.optimizers.SGD(0.0), "mse", metrics=["accuracy"])
        model.fit(x, y, batch_size=10, epochs=epochs, verbose=verbose, validation_data=(x / 64, y))
        model.evaluate(x, y, batch_size=50, verbose=verbose)
        model.predict(x, batch_size=50, verbose=verbose)
        plain = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
        final = [re.split(r"[\b\r]+", line)[-1].rstrip() for line in plain.split("\n")]
        printed.append(
            [re.sub(r"\b\d+s\b(?!/)", "Ts", re.sub(r"\d+(us|ms|s)/step", "T/step", line)) for line in final]
        )
    assert printed[1] == printed[0]
    assert any("accuracy: 0.0000e+00 - loss: 9.0000 - val_accuracy" in line for line in printed[1])
