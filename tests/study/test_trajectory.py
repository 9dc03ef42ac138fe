from __future__ import annotations

import numpy as np
import pytest

import minibatch as mb
from minibatch.study import Trajectory


def fit(callback: mb.callbacks.Callback, epochs: int = 2) -> mb.Sequential:
    model = mb.Sequential([mb.Input((3,)), mb.layers.Dense(2, kernel_initializer="ones")])
    model.compile("sgd", "mse")
    x = np.linspace(0, 1, 30).reshape(10, 3)
    model.fit(x, x[:, :2], batch_size=4, epochs=epochs, shuffle=False, verbose=0, callbacks=[callback])
    return model


def test_one_point_after_every_update():
    path = Trajectory()
    model = fit(path)  # 10 samples by 4 are 3 updates an epoch
    assert path.updates == [0, 1, 2, 3, 4, 5, 6]
    assert path.points.shape == (7, 8)
    np.testing.assert_array_equal(path.points[0], [1, 1, 1, 1, 1, 1, 0, 0])
    np.testing.assert_array_equal(path.points[-1], model.parameters.theta)
    assert (np.abs(np.diff(path.points, axis=0)).max(axis=1) > 0).all()


def test_every_keeps_the_first_the_kth_and_the_last():
    sparse, dense = Trajectory(every=4), Trajectory()
    fit(sparse), fit(dense)
    assert sparse.updates == [0, 4, 6]
    np.testing.assert_array_equal(sparse.points, dense.points[[0, 4, 6]])


def test_a_second_fit_starts_afresh():
    path = Trajectory()
    fit(path)
    fit(path, epochs=1)
    assert path.updates == [0, 1, 2, 3]


@pytest.mark.parametrize("every", [0, -1, 1.5, True])
def test_every_must_be_positive(every):
    with pytest.raises(ValueError, match="every must be a positive integer; got"):
        Trajectory(every)
