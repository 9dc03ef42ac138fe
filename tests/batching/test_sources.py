"""Where rows come from: each kind of source gives the same batches as the array it holds."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibatch.batching import Batches, Dataset, GeneratorBatches
from minibatch.batching import batches as batches_module
from minibatch.batching import sources as sources_module
from minibatch.batching.sources import IndexedSource, MappedSource, as_source

DATA = np.arange(60, dtype=np.float32).reshape(20, 3)


class Rows:
    """The least that a source of one's own needs."""

    def __init__(self, data: np.ndarray) -> None:
        self.data, self.asked = data, []  # type: ignore[var-annotated]

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, rows: Any) -> Any:
        self.asked.append(rows)
        return self.data[rows]


class Tensor:
    """What a tensor of another library looks like: ``__array__``, and an indexing of its own."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return DATA

    def __len__(self) -> int:
        return len(DATA)

    def __getitem__(self, rows: Any) -> Any:
        raise AssertionError("an array in memory is converted once, not row by row")


def assert_same_batches(x: Any, **options: Any) -> None:
    arguments = {"batch_size": 6, "seed": 3, **options}
    for found, expected in zip(Batches(x, **arguments), Batches(DATA, **arguments), strict=True):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype


@pytest.mark.parametrize("shuffle", [True, False, "replacement"])
def test_sources_in_memory(shuffle: Any) -> None:
    for x in (Tensor(), Rows(DATA), DATA[:, ::-1][:, ::-1], np.asfortranarray(DATA)):
        assert_same_batches(x, shuffle=shuffle)
    assert_same_batches([Rows(DATA)][0], remainder="wrap", shuffle=shuffle)
    np.testing.assert_array_equal(next(iter(Batches([[1, 2], [3, 4]], shuffle=False))), [[1, 2], [3, 4]])


def test_rows_are_asked_for_once_and_in_order() -> None:
    # h5py and zarr refuse anything else.
    rows = Rows(DATA)
    batches = Batches(rows, shuffle="replacement", batch_size=20, seed=0)
    next(iter(batches))
    asked = rows.asked[-1]
    assert (np.diff(asked) > 0).all()
    assert len(asked) < 20


@pytest.mark.parametrize("shuffle", [True, False, "replacement"])
def test_h5py_datasets(tmp_path: Path, shuffle: Any) -> None:
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"] = DATA
        file["chunked"] = file.create_dataset("c", data=DATA, chunks=(4, 3), compression="gzip")
        for name in ("x", "chunked"):
            assert isinstance(as_source(file[name], "x"), IndexedSource)
            assert_same_batches(file[name], shuffle=shuffle)
        images = file.create_dataset("images", data=np.arange(60, dtype=np.uint8).reshape(20, 3))
        found = next(iter(Batches(images, batch_size=4, shuffle=False, scale=0.5)))
        np.testing.assert_array_equal(found, np.arange(12, dtype=np.float32).reshape(4, 3) * np.float32(0.5))


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_memory_maps(tmp_path: Path, mode: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    DATA.tofile(tmp_path / "data.bin")
    mapped = np.memmap(tmp_path / "data.bin", np.float32, mode, shape=DATA.shape)
    monkeypatch.setattr(sources_module, "RESIDENT_BYTES", 3 * sources_module.FAULT_BYTES)  # give back often
    # The pages of a copy-on-write map are never given back: that would undo its changes.
    assert isinstance(as_source(mapped, "x"), MappedSource) == (mode != "c")
    assert isinstance(as_source(mapped[2:].T.T, "x"), MappedSource) == (mode != "c")
    if mode == "c":
        mapped[0] = -1
    expected = np.array(mapped)
    batches = Batches(mapped, batch_size=6, seed=3)
    for k in range(2):
        for found, rows in zip(batches, batches.epoch_indices(k), strict=True):
            np.testing.assert_array_equal(found, expected[rows])
    if mode == "r+":
        mapped[1] = 7
        for found in Batches(mapped, batch_size=20, shuffle=False):
            assert (found[1] == 7).all()


def test_scaled_memory_maps(tmp_path: Path) -> None:
    images = np.arange(60, dtype=np.uint8).reshape(20, 3)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    found = np.concatenate(list(Batches(mapped, batch_size=7, shuffle=False, scale=0.25)))
    np.testing.assert_array_equal(found, images.astype(np.float32) * np.float32(0.25))


def test_pandas_frames() -> None:
    pandas = pytest.importorskip(
        "pandas", reason="pandas is in no extra of this library; its frames are taken if met"
    )
    frame = pandas.DataFrame(DATA, columns=list("abc"), index=np.arange(20)[::-1])
    assert_same_batches(frame)
    x_b, y_b = next(iter(Batches(frame, pandas.Series(np.arange(20)), batch_size=4, shuffle=False)))
    np.testing.assert_array_equal(x_b, DATA[:4])
    assert y_b.tolist() == [0, 1, 2, 3]


def test_a_source_whose_length_changes_between_epochs() -> None:
    rows = Rows(DATA)
    batches = Batches(rows, batch_size=6)
    kept = list(batches)
    rows.data = DATA[:-1]
    with pytest.raises(ValueError, match="x had 20 samples, and now has 19"):
        iter(batches)
    rows.data = DATA
    assert len(list(batches)) == len(kept) == 4  # the failed epoch was not counted, earlier batches are intact
    assert batches.state()["epoch"] == 2


def test_a_source_that_changes_shape() -> None:
    rows = Rows(DATA)
    batches = Batches(rows, batch_size=6)
    rows.data = DATA[:, :2]
    with pytest.raises(ValueError, match=r"x\[rows\] must have shape \(18, 3\).*got shape \(18, 2\)"):
        list(batches)


def test_an_error_in_a_source_leaves_earlier_batches_intact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches_module, "BLOCK_BATCHES", 1)

    class Failing(Rows):
        def __getitem__(self, rows: Any) -> Any:
            if len(self.asked) == 3:
                raise OSError("the disk is gone")
            return super().__getitem__(rows)

    big = np.arange(8 * 100.0).reshape(8, -1)
    iterator = iter(Batches(Failing(big), batch_size=1, shuffle=False))
    kept = [next(iterator), next(iterator)]
    with pytest.raises(OSError, match="the disk is gone"):  # the first of three requests was for the shape
        next(iterator)
    for i, batch in enumerate(kept):
        np.testing.assert_array_equal(batch[0], big[i])


# --- generators --------------------------------------------------------------------------------------


@given(steps=st.integers(1, 7), epochs=st.integers(1, 4))
def test_generators_are_cut_into_epochs(steps: int, epochs: int) -> None:
    batches = GeneratorBatches(itertools.count(), steps)
    assert len(batches) == steps
    assert [list(batches) for _ in range(epochs)] == [
        list(range(k * steps, (k + 1) * steps)) for k in range(epochs)
    ]


def test_a_dataset_serves_as_a_generator() -> None:
    batches = GeneratorBatches(Dataset.range(10).repeat().batch(4), steps_per_epoch=2)
    assert [b.tolist() for b in batches] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert [b.tolist() for b in batches] == [[8, 9, 0, 1], [2, 3, 4, 5]]


def test_bad_generators() -> None:
    with pytest.raises(ValueError, match="ended after 3 of the 4 batches"):
        list(GeneratorBatches(iter(range(3)), 4))
    with pytest.raises(ValueError, match="shuffle must be False; got True"):
        GeneratorBatches(iter(range(3)), 3, shuffle=True)
    with pytest.raises(ValueError, match="A generator has no length"):
        GeneratorBatches(iter(range(3)), None)
    with pytest.raises(ValueError, match="steps_per_epoch must be an integer >= 1; got 0"):
        GeneratorBatches(iter(range(3)), 0)
    with pytest.raises(TypeError, match="must be an iterator of batches; got int"):
        GeneratorBatches(3, 3)  # type: ignore[arg-type]
