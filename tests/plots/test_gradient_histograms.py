import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import QuadMesh

from minibatch.plots import gradient_histograms

EDGES = np.linspace(-1.0, 1.0, 11)


def mesh(ax):
    (found,) = (c for c in ax.collections if isinstance(c, QuadMesh))
    return found


def counts(n, bins=10):
    return np.random.default_rng(0).poisson(5.0, (n, bins)).astype(float)


def test_the_counts_handed_in_are_the_colours_drawn(drawn):
    table = counts(4)
    table[1, 3] = 0.0
    before = table.copy()
    ax = drawn(gradient_histograms([1, 5, 9, 20], EDGES, table))
    shown = mesh(ax).get_array()
    np.testing.assert_array_equal(shown.filled(0.0), table.T)
    # A bin without entries is blank.
    np.testing.assert_array_equal(shown.mask, table.T == 0.0)
    assert (mesh(ax).norm.vmin, mesh(ax).norm.vmax) == (table[table > 0].min(), table.max())
    corners = mesh(ax).get_coordinates()
    np.testing.assert_allclose(corners[0, :, 0], [0.0, 3.0, 7.0, 14.5, 25.5])
    np.testing.assert_allclose(corners[:, 0, 1], EDGES)
    np.testing.assert_array_equal(table, before)


def test_the_axes_say_what_they_are(drawn):
    ax = drawn(gradient_histograms([1, 2], EDGES, counts(2)))
    # Equal bins are equally high; others grow away from zero.
    assert ax.get_yscale() == "linear"
    assert gradient_histograms([1, 2], EDGES**3, counts(2)).get_yscale() == "symlog"
    assert gradient_histograms([1, 2], EDGES, counts(2), scale="symlog").get_yscale() == "symlog"
    assert gradient_histograms([1, 2], EDGES**3, counts(2), scale="linear").get_yscale() == "linear"
    bar = next(one for one in ax.figure.axes if one is not ax)
    assert (ax.get_xlabel(), ax.get_ylabel(), bar.get_ylabel()) == (
        "training step",
        "gradient entry",
        "entries in a bin",
    )
    assert "beyond" in gradient_histograms([1], EDGES, counts(1), clipped=True).get_ylabel()
    assert ax.get_ylim() == (-1.0, 1.0)
    assert 0.0 in ax.get_yticks()


def test_as_shares_a_larger_batch_looks_the_same(drawn):
    table = np.vstack([counts(1), 8.0 * counts(1), np.zeros((1, 10))])
    ax = drawn(gradient_histograms([1, 2, 3], EDGES, table, share=True))
    first, second, none = mesh(ax).get_array().filled(0.0).T
    np.testing.assert_allclose(first, second)
    np.testing.assert_allclose(first.sum(), 1.0)
    assert not none.any()
    assert "share" in next(one for one in ax.figure.axes if one is not ax).get_ylabel()


def test_more_records_than_pixels_are_averaged_in_groups(drawn):
    table = counts(1200)
    ax = drawn(gradient_histograms(np.arange(1, 1201), EDGES, table))
    shown = mesh(ax).get_array().filled(0.0)
    assert shown.shape == (10, 400)
    np.testing.assert_allclose(shown.T, table.reshape(400, 3, 10).mean(axis=1))
    np.testing.assert_allclose(mesh(ax).get_coordinates()[0, [0, 1, -1], 0], [0.5, 3.5, 1200.5])


@pytest.mark.parametrize("scale", ["symlog", "linear"])
def test_bins_without_an_end_are_as_high_as_their_neighbours(scale, drawn):
    edges = np.r_[-np.inf, -1.0, -0.1, 0.1, 1.0, np.inf]
    ax = drawn(gradient_histograms([1, 2], edges, counts(2, 5), scale=scale))
    far = 10.0 if scale == "symlog" else 1.9
    np.testing.assert_allclose(mesh(ax).get_coordinates()[:, 0, 1], [-far, -1.0, -0.1, 0.1, 1.0, far])
    assert "beyond" in ax.get_ylabel()


@pytest.mark.parametrize("scale", ["auto", "symlog"])
@pytest.mark.parametrize(
    "edges",
    [
        np.r_[-np.geomspace(1e200, 1e-200, 5), np.geomspace(1e-200, 1e200, 6)],
        np.linspace(0.0, 1e-12, 11),
        np.linspace(5.0, 6.0, 11),
        np.linspace(-6.0, -5.0, 11),
    ],
)
def test_awkward_edges_and_one_record_draw_without_a_warning(edges, scale, drawn, texts, boxes_apart):
    ax = drawn(gradient_histograms([7], edges, np.ones((1, 10)), scale=scale))
    boxes_apart(texts(ax))
    assert ax.get_ylim() == (edges[0], edges[-1])


def test_the_axes_handed_in_are_used(drawn):
    fig, (left, right) = plt.subplots(1, 2)
    assert drawn(gradient_histograms([1, 2], EDGES, counts(2), ax=left, title="Entries")) is left
    assert plt.get_fignums() == [fig.number]
    assert left.get_title(loc="left") == "Entries"
    assert not right.collections


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], EDGES, np.ones((0, 10))), "steps must be a vector of at least one number"),
        (([2, 1], EDGES, counts(2)), "steps must be .* increasing"),
        (([1], EDGES[::-1], counts(1)), "edges must be .* increasing"),
        (([1], [0.0], np.ones((1, 0))), "edges must be a vector of at least two"),
        (([1], [0.0, np.nan, 1.0], np.ones((1, 2))), "edges must be"),
        (([1], [-np.inf, 0.0, np.inf], np.ones((1, 2))), "a bin between the outermost"),
        (([1, 2], EDGES, counts(1)), r"counts must have shape \(steps, bins\) = \(2, 10\); got \(1, 10\)"),
        (([1], EDGES, -counts(1)), "not negative"),
        (([1], EDGES, np.full((1, 10), np.nan)), "finite"),
        (([1], EDGES, np.zeros((1, 10))), "all are zero"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        gradient_histograms(*arguments)
    assert not plt.get_fignums()


def test_an_unknown_scale():
    with pytest.raises(ValueError, match="'auto', 'symlog' or 'linear'; got 'log'"):
        gradient_histograms([1], EDGES, counts(1), scale="log")
