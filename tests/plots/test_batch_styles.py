import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibatch.plots import batch_label, batch_order, batch_styles
from minibatch.plots.style import BLUE, RED


def lightness(color):
    """CIE L*, from 0 (black) to 100 (white)."""
    c = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255.0
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return 116.0 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16.0


@pytest.mark.parametrize(
    ("batch_size", "n_samples", "label"),
    [
        (1, None, "1 (stochastic)"),
        ("1", None, "1 (stochastic)"),
        (np.int64(32), None, "32"),
        (" 32 ", None, "32"),
        ("full", None, "full"),
        ("full", 1437, "full (1,437)"),
        ("Full (1437)", None, "full (1,437)"),
        (1437, 1437, "full (1,437)"),
        (1, 1, "full (1)"),
        ("cosine schedule", None, "cosine schedule"),
    ],
)
def test_labels(batch_size, n_samples, label):
    assert batch_label(batch_size, n_samples) == label


@pytest.mark.parametrize("bad", [0, -3, "0", "-1", ""])
def test_a_batch_has_at_least_one_sample(bad):
    with pytest.raises(ValueError, match="batch size must"):
        batch_label(bad)


@pytest.mark.parametrize("bad", [True, 32.0, None, (1,)])
def test_a_batch_size_is_an_integer_or_a_string(bad):
    with pytest.raises(TypeError, match="an integer or a string"):
        batch_label(bad)


def test_order_is_by_size_and_full_comes_last():
    assert batch_order(["full", "other", 128, "8", 1]) == [1, "8", 128, "other", "full"]
    assert batch_order([50, 2, 50_000], n_samples=50) == [2, 50_000, 50]


def test_red_green_blue():
    styles = batch_styles([1437, 32, 1], n_samples=1437)
    assert [s.kind for s in styles.values()] == ["stochastic", "mini-batch", "full"]
    assert [s.color for s in styles.values()] == [RED, "#1FA97A", BLUE]
    assert list(styles) == [1, 32, 1437]
    # Without n_samples an integer cannot be known to be the full batch.
    assert batch_styles([1437])[1437].kind == "mini-batch"


def test_light_enough_apart_for_grey_print():
    levels = sorted(lightness(s.color) for s in batch_styles([1, 8, 32, 128, "full"]).values())
    assert min(np.diff(levels)) > 8.0
    # ... and dark enough for white paper.
    assert max(levels) < 75.0


@given(st.lists(st.integers(1, 100_000), unique=True, max_size=9).map(lambda b: [*b, "full"]))
def test_every_batch_size_can_be_told_from_every_other(batch_sizes):
    styles = list(batch_styles(batch_sizes).values())
    assert len({s.label for s in styles}) == len(styles)
    assert len({s.color for s in styles}) == len(styles)
    assert len({s.marker for s in styles}) == len(styles)
    assert [s.zorder for s in styles] == sorted(s.zorder for s in styles)
    greens = [lightness(s.color) for s in styles if s.kind == "mini-batch"]
    assert greens == sorted(greens, reverse=True)


@given(st.permutations([1, 8, "32", 128, "full"]))
def test_styles_do_not_depend_on_the_order_given(batch_sizes):
    assert batch_styles(batch_sizes) == batch_styles([1, 8, "32", 128, "full"])
