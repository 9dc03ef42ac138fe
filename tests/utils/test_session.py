from __future__ import annotations

import minibatch as mb


def test_names_begin_again() -> None:
    mb.layers.Dense(1)
    mb.utils.clear_session()
    assert [mb.layers.Dense(1).name for _ in range(2)] == ["dense", "dense_1"]
    mb.utils.clear_session(free_memory=False)
    assert mb.layers.Dense(1).name == "dense"
