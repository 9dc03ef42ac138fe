from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from minibatch.plots import loss_curves


def history(per_epoch, seconds, rate, epochs=12):
    e = np.arange(epochs + 1)
    loss = 2.3 * np.exp(-rate * e) + 0.01
    return {"epochs": e, "updates": per_epoch * e, "seconds": seconds * e, "loss": loss, "val_loss": loss + 0.1}


@pytest.fixture
def histories():
    return {
        "full": history(1, 0.01, 0.02),
        1: history(1437, 1.3, 0.9),
        32: SimpleNamespace(**history(45, 0.06, 0.4)),
    }


def curves(ax):
    return {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}


def test_the_numbers_handed_in_are_the_numbers_drawn(histories, drawn):
    axes = loss_curves(histories, n_samples=1437)
    drawn(axes[0])
    runs = [histories[1], vars(histories[32]), histories["full"]]
    for ax, along in zip(axes, ("epochs", "updates", "seconds"), strict=True):
        assert list(curves(ax)) == ["1 (stochastic)", "32", "full (1,437)"]
        assert ax.get_xlabel() == along
        for line, run in zip(curves(ax).values(), runs, strict=True):
            # On the logarithmic panels the start at zero is drawn apart.
            first = 0 if along == "epochs" else 1
            np.testing.assert_array_equal(line.get_xdata(), run[along][first:])
            np.testing.assert_array_equal(line.get_ydata(), run["loss"][first:])
            starts = [one for one in ax.lines if one.get_xdata()[0] == 0 and one.get_ydata()[0] == run["loss"][0]]
            assert starts
    assert "loss" in axes[0].get_ylabel()


def test_scales_follow_the_ranges(histories):
    axes = loss_curves(histories)
    assert [ax.get_xscale() for ax in axes] == ["linear", "symlog", "symlog"]
    assert {ax.get_yscale() for ax in axes} == {"log"}
    assert len({ax.get_ylim() for ax in axes}) == 1
    alike = loss_curves({8: history(10, 1.0, 0.01), 16: history(5, 0.9, 0.02)})
    assert [ax.get_xscale() for ax in alike] == ["linear"] * 3
    assert {ax.get_yscale() for ax in alike} == {"linear"}
    # The linear panels hold every point, the start among them, in the one line.
    assert all(len(curves(ax)["8"].get_xdata()) == 13 for ax in alike)


def test_every_point_of_a_short_run_is_marked_and_the_last_of_a_long_one():
    for epochs in (1, 12, 30, 100, 301):
        line = curves(loss_curves({"full": history(1, 0.1, 0.01, epochs)})[0])["full"]
        marked = np.arange(epochs + 1)[slice(line.get_markevery()[0], None, line.get_markevery()[1])]
        assert marked[-1] == epochs
        assert len(marked) == epochs + 1 if epochs <= 12 else 8 <= len(marked) <= 16
        plt.close("all")


def test_what_names_the_sequence(histories):
    axes = loss_curves(histories, what="val_loss")
    assert axes[0].get_ylabel() == "validation loss (mean per sample)"
    assert axes[0].get_title(loc="left").startswith("Validation loss by batch size")
    np.testing.assert_array_equal(curves(axes[0])["full"].get_ydata(), histories["full"]["val_loss"])


def test_a_diverged_run_leaves_a_gap_and_no_warning(histories, drawn):
    diverged = history(45, 0.1, 0.1)
    diverged["loss"][4:] = [np.inf] * 3 + [np.nan] * 6
    before = diverged["loss"].copy()
    axes = loss_curves({**histories, 64: diverged})
    drawn(axes[0])
    assert np.isnan(curves(axes[0])["64"].get_ydata()[4:]).all()
    assert np.isfinite(axes[0].get_ylim()).all()
    np.testing.assert_array_equal(diverged["loss"], before)
    drawn(loss_curves({64: {**diverged, "loss": np.full(13, np.nan)}})[0])


def test_a_run_before_its_first_epoch(drawn):
    drawn(loss_curves({1: history(1437, 1.0, 0.5, epochs=0), "full": history(1, 0.1, 0.5, epochs=0)})[0])


def test_the_axes_handed_in_are_used_and_nothing_else_is_made(histories, drawn):
    fig, given = plt.subplots(2, 3, layout="constrained")
    axes = loss_curves(histories, axes=given[1], title="Losses")
    drawn(axes[0])
    assert list(axes) == list(given[1])
    assert fig.axes == list(given.ravel())
    assert plt.get_fignums() == [fig.number]
    assert axes[0].get_title(loc="left") == "Losses"
    assert not any(ax.lines for ax in given[0])


@pytest.mark.parametrize("n_sizes", [1, 3, 12])
def test_nothing_overlaps(n_sizes, drawn, texts, boxes_apart):
    many = {2**k: history(2048 // 2**k, 1.0 / 2**k, 0.5 / (k + 1)) for k in range(n_sizes)}
    axes = loss_curves(many, n_samples=2048)
    drawn(axes[0])
    boxes_apart(texts(axes[0]))
    key = axes[0].get_legend()
    assert all(ax.get_legend() is None for ax in axes[1:])
    assert len(key.get_texts()) == n_sizes
    assert key.get_window_extent().y0 >= axes[0].get_window_extent().y1 - 1.0
    assert key.get_window_extent().x1 <= axes[2].get_window_extent().x1
    for ax in axes[1:]:
        low, high = ax.get_xlim()
        boxes_apart([t for t in ax.get_xticklabels() if low <= t.get_position()[0] <= high and t.get_text()])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": None}, r"histories\[32\] must have 'loss'"),
        ({"loss": [1.0]}, "of one length"),
        ({"loss": [[1.0]]}, r"must have shape \(P,\)"),
        ({"updates": [3.0, 2.0, 1.0]}, "nor decrease"),
        ({"seconds": [0.0, np.nan, 1.0]}, "entry 1 is nan"),
    ],
)
def test_errors_of_a_history(change, message):
    good = {"epochs": [0, 1, 2], "updates": [0, 5, 10], "seconds": [0.0, 0.1, 0.2], "loss": [3.0, 2.0, 1.0]}
    with pytest.raises(ValueError, match=message):
        loss_curves({32: {**good, **change}})
    assert not plt.get_fignums()


def test_errors(histories):
    with pytest.raises(ValueError, match="at least one batch size"):
        loss_curves({})
    with pytest.raises(ValueError, match="axes must be 3, for epochs, updates and seconds; got 2"):
        loss_curves(histories, axes=plt.subplots(1, 2)[1])
    with pytest.raises(ValueError, match="must have 'accuracy'"):
        loss_curves(histories, what="accuracy")


class OfFit:
    """What ``fit`` returns, here and in Keras."""

    def __init__(self, steps, epochs=4, first=0):
        self.history = {"loss": [1.0 / (k + 1) for k in range(epochs)], "val_loss": [2.0] * epochs}
        self.epoch = list(range(first, first + epochs))
        self.params = {"steps": steps, "epochs": epochs, "verbose": 0}


def test_what_fit_returns_is_drawn_against_what_it_knows(drawn):
    panels = loss_curves({32: OfFit(45), "full": OfFit(1, first=2)})
    assert [panel.get_xlabel() for panel in panels] == ["epochs", "updates"]
    drawn(panels[0])
    assert panels[0].get_title(loc="left") == "Loss by batch size, against epochs and updates"
    np.testing.assert_array_equal(curves(panels[1])["32"].get_xdata(), [45, 90, 135, 180])
    np.testing.assert_array_equal(curves(panels[0])["full"].get_xdata(), [3, 4, 5, 6])
    np.testing.assert_allclose(curves(panels[0])["32"].get_ydata(), OfFit(1).history["loss"])


def test_a_fit_s_dict_alone_knows_its_epochs(drawn):
    (panel,) = loss_curves({32: OfFit(45).history, 64: OfFit(23)}, what="val_loss")
    drawn(panel)
    assert panel.get_xlabel() == "epochs"
    assert panel.get_title(loc="left") == "Validation loss by batch size, against epochs"
    with pytest.raises(ValueError, match="histories\\[32\\] must have 'accuracy'"):
        loss_curves({32: OfFit(45)}, what="accuracy")
    with pytest.raises(ValueError, match="axes must be 1, for epochs; got 3"):
        loss_curves({32: OfFit(45).history}, axes=plt.subplots(1, 3)[1])
