from __future__ import annotations

import numpy as np
import pytest

from minibatch.noise import per_sample, per_sample_gradients
from minibatch.noise import products as room
from minibatch.noise.products import Blocks, products
from tests.noise.networks import cnn, mlp, samples


@pytest.mark.parametrize("build", [mlp, cnn])
@pytest.mark.parametrize("block_bytes", [1 << 30, 1], ids=["one block", "many blocks"])
def test_products_are_those_of_the_rows(build, block_bytes, monkeypatch):
    monkeypatch.setattr(room, "BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(per_sample, "CHUNK", 4)
    model = build()
    x, y = samples(model, 11)
    rows = per_sample_gradients(model, x, y).astype(np.float64)
    blocks = Blocks(model, model.checked(x, y))
    assert [piece.stop - piece.start for piece, _ in blocks] == ([11] if block_bytes > 1 else [4, 4, 3])
    inner = products(blocks)
    assert inner.dtype == np.float64
    np.testing.assert_allclose(inner, rows @ rows.T, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(inner, inner.T)


def test_a_single_block_is_computed_once(monkeypatch):
    model = mlp()
    x, y = samples(model, 11)
    calls = []
    plain = room.chunks
    monkeypatch.setattr(room, "chunks", lambda *args: calls.append(1) or plain(*args))
    blocks = Blocks(model, model.checked(x, y))
    list(blocks)
    products(blocks)
    assert len(calls) == 1 + 1  # the block, and the empty stretch before it
