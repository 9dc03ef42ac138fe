from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from minibatch.plots import noise_by_layer


def layer(name="dense", n_parameters=2080, trace=12.0, grad_norm2=0.4, noise_scale=30.0):
    return {
        "name": name,
        "n_parameters": n_parameters,
        "trace": trace,
        "grad_norm2": grad_norm2,
        "noise_scale": noise_scale,
    }


TWO = [layer(), layer("dense_1", 330, 5.0, 0.1, 50.0)]


def bars(ax):
    """(middle, value at the end) of each bar."""
    return [(p.get_y() + p.get_height() / 2, p.get_x() + p.get_width()) for p in ax.patches]


def written(ax):
    return [text.get_text() for text in ax.texts]


@pytest.mark.parametrize("kind", [dict, lambda row: SimpleNamespace(**row)])
def test_bars_end_at_the_numbers(kind, drawn):
    left, right = noise_by_layer([kind(row) for row in TWO])
    drawn(left)
    np.testing.assert_allclose(bars(left), [(0.2, 12.0), (-0.8, 5.0), (-0.2, 0.4), (-1.2, 0.1)])
    np.testing.assert_allclose(bars(right), [(0.0, 30.0), (-1.0, 50.0)])
    assert written(left) == ["12", "5", "0.4", "0.1"]
    assert written(right) == ["30", "50"]
    assert [t.get_text() for t in left.get_yticklabels()] == ["dense (2,080)", "dense_1 (330)"]
    assert left.get_ylim() == right.get_ylim()
    assert (left.get_xscale(), right.get_xscale()) == ("log", "log")
    assert (left.get_xlabel(), right.get_xlabel()) == ("squared gradient", "samples")
    # First layer at the top.
    assert left.get_ylim()[0] < left.get_ylim()[1]


def test_a_tenth_more_does_not_look_like_three_times_as_much():
    _, right = noise_by_layer([layer(noise_scale=30.0), layer("b", noise_scale=33.0)])
    low = right.get_xlim()[0]
    lengths = [np.log(end / low) for _, end in bars(right)]
    assert lengths[1] / lengths[0] < 1.1


def test_the_whole_model_is_marked(drawn):
    _, right = noise_by_layer(TWO, noise_scale=34.4)
    drawn(right)
    (mark,) = right.lines
    assert list(mark.get_xdata()) == [34.4, 34.4]
    assert "of the whole model: 34.4" in [text.get_text() for text in right.get_legend().get_texts()]
    assert not noise_by_layer(TWO, noise_scale=np.inf)[1].lines


@pytest.mark.parametrize("scales", [(1080.0, 1420.0), (1250.0, 1290.0), (20.0, 1300.0)])
def test_the_mark_of_the_model_runs_through_no_number(scales, drawn):
    rows = [layer(str(k), noise_scale=scale) for k, scale in enumerate(scales)]
    left, right = noise_by_layer(rows, noise_scale=1290.0)
    drawn(left)
    at = right.transData.transform((1290.0, 0.0))[0]
    for text in right.texts:
        box = text.get_window_extent()
        assert not box.x0 - 1 < at < box.x1 + 1, text
    assert written(right) == [f"{scale:,.0f}" for scale in scales]


def test_what_has_no_place_on_the_axis_is_written_in_words(drawn):
    rows = [
        layer("a"),
        layer("b", grad_norm2=0.0, noise_scale=np.inf),
        layer("c", trace=0.0, noise_scale=0.0),
        layer("d", grad_norm2=-2.0, noise_scale=-6.0),
        layer("e", trace=np.nan, noise_scale=np.nan),
    ]
    left, right = noise_by_layer(rows)
    drawn(left)
    assert written(right) == ["30", "infinite", "zero", "negative: −6", "not a number"]
    assert written(left)[:5] == ["12", "12", "zero", "12", "not a number"]
    assert written(left)[5:] == ["0.4", "zero", "0.4", "negative: −2", "0.4"]
    assert right.patches[1].get_hatch()


def test_long_names_are_shortened_and_stay_apart():
    long = "encoder/transformer_block_{}/attention/query_projection"
    names = [
        t.get_text() for t in noise_by_layer([layer(long.format(1)), layer(long.format(2))])[0].get_yticklabels()
    ]
    assert len(set(names)) == 2
    assert all(len(name) < 45 for name in names)
    assert all("query_projection" in name for name in names)


@pytest.mark.parametrize("n", [1, 2, 12, 60])
def test_nothing_overlaps(n, drawn, boxes_apart):
    r = np.random.default_rng(0)
    rows = [
        layer(f"block{k}_conv", 36_864, 10 ** r.normal(0, 3), 10 ** r.normal(-3, 3), 10 ** r.normal(2, 3))
        for k in range(n)
    ]
    left, right = noise_by_layer(rows, noise_scale=30.0)
    drawn(left)
    boxes_apart(
        [left._left_title, left.get_legend(), right.get_legend(), *left.get_yticklabels(), left.yaxis.label]
    )
    for ax in (left, right):
        assert all(text.get_window_extent().x1 <= ax.figure.bbox.x1 for text in ax.texts)


@pytest.mark.parametrize("value", [1e-300, 1e-200, 1e200, 1e300])
def test_extreme_numbers_draw_without_a_warning(value, drawn):
    drawn(noise_by_layer([layer(trace=value, grad_norm2=1.0, noise_scale=value)])[0])
    drawn(noise_by_layer([layer(trace=0.0, grad_norm2=0.0, noise_scale=np.nan)])[0])


def test_the_axes_handed_in_are_used_and_nothing_else_is_made(drawn):
    fig, axes = plt.subplots(2, 1)
    panels = noise_by_layer(TWO, axes=axes, title="Layers")
    assert list(panels) == list(axes)
    assert fig.axes == list(axes)
    assert plt.get_fignums() == [fig.number]
    assert axes[0].get_title(loc="left") == "Layers"
    # One above the other, each has the names.
    assert [t.get_text() for t in axes[1].get_yticklabels()] == ["dense (2,080)", "dense_1 (330)"]


def test_errors():
    with pytest.raises(ValueError, match="at least one layer"):
        noise_by_layer([])
    with pytest.raises(ValueError, match=r"layers\[1\] must have 'trace'"):
        noise_by_layer([layer(), {"name": "a", "n_parameters": 3}])
    assert not plt.get_fignums()
    with pytest.raises(ValueError, match=r"axes must be two.*got 3"):
        noise_by_layer(TWO, axes=plt.subplots(1, 3)[1])
