from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from callbacks.fakes import FakeModel, play, started

from minibatch.callbacks import CSVLogger


def written(path: Path, *fits: list[dict[str, Any]], **arguments: Any) -> str:
    """Return the file after these fits, each with a logger of its own."""
    for epochs in fits:
        model = FakeModel()
        logger = started(CSVLogger(path, **arguments), model)
        play(logger, model, epochs)
        logger.on_train_end({})
    return path.read_bytes().decode()


ROWS = [{"loss": 0.5, "acc": 0.1}, {"loss": 0.25, "acc": 0.2}]


def test_a_row_for_every_epoch_and_columns_by_name(tmp_path: Path) -> None:
    text = written(tmp_path / "log.csv", ROWS)
    assert text == "epoch,acc,loss,val_acc,val_loss\r\n0,0.1,0.5,NA,NA\r\n1,0.2,0.25,NA,NA\r\n"


def test_separator_and_several_numbers(tmp_path: Path) -> None:
    logs = [{"a": np.array([1.0, 2.0]), "val_a": [3, 4]}, {"a": np.array(5.0), "val_a": "text"}]
    text = written(tmp_path / "log.csv", logs, separator=";")
    assert text == 'epoch;a;val_a\r\n0;"""[1.0, 2.0]""";"""[3, 4]"""\r\n1;5.0;text\r\n'


def test_keys_are_those_of_the_first_epoch(tmp_path: Path) -> None:
    text = written(tmp_path / "log.csv", [{"loss": 1}, {"loss": 2, "new": 3, "val_loss": 4}, {}])
    assert text == "epoch,loss,val_loss\r\n0,1,NA\r\n1,2,4\r\n2,NA,NA\r\n"


def test_append_or_start_again(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    first = written(path, ROWS)
    assert written(path, ROWS) == first
    assert written(path, ROWS, append=True) == first + "".join(first.splitlines(True)[1:])
    assert written(tmp_path / "new.csv", ROWS, append=True) == first
    (tmp_path / "empty.csv").touch()
    assert written(tmp_path / "empty.csv", ROWS, append=True) == first


def test_one_logger_for_two_fits(tmp_path: Path) -> None:
    model, logger = FakeModel(), CSVLogger(tmp_path / "log.csv")
    for _ in range(2):
        play(started(logger, model), model, ROWS)
        logger.on_train_end({})
    assert (tmp_path / "log.csv").read_text().count("epoch") == 1


def test_a_fit_of_no_epochs_leaves_an_empty_file(tmp_path: Path) -> None:
    written(tmp_path / "log.csv", ROWS)
    assert written(tmp_path / "log.csv", []) == ""


@pytest.mark.parametrize("append", [False, True])
@pytest.mark.parametrize("rows", [0, 1, 2, 3])
def test_a_fit_that_is_taken_up_again_goes_on_after_the_last_row_of_its_own(
    append: bool, rows: int, tmp_path: Path
) -> None:
    epochs = [{"loss": float(k)} for k in range(4)]
    path = tmp_path / "log.csv"
    written(path, ROWS)
    expected = written(path, epochs, append=append)

    written(path, ROWS)
    model = FakeModel()
    killed = started(CSVLogger(path, append=append), model)
    play(killed, model, epochs[:rows])
    state = killed.state_dict()
    play(killed, model, epochs, first=rows)  # rows after the last backup: made again, and not to stand there twice

    again = started(CSVLogger(path, append=append), model)
    again.load_state_dict(state)
    play(again, model, epochs, first=rows)
    again.on_train_end({})
    assert path.read_bytes().decode() == expected


def test_rows_that_are_lost(tmp_path: Path) -> None:
    path, model = tmp_path / "log.csv", FakeModel()
    logger = started(CSVLogger(path), model)
    play(logger, model, ROWS)
    path.unlink()
    with pytest.warns(UserWarning, match=r"'.*log.csv' has lost rows of this fit"):
        logger.load_state_dict(logger.state_dict())
    play(logger, model, [{"loss": 1.0, "acc": 0.3}] * 3, first=2)
    assert path.read_text().splitlines() == ["epoch,acc,loss,val_acc,val_loss", "2,0.3,1.0,NA,NA"]


@pytest.mark.parametrize("separator", ["", ",,", None, 3])
def test_bad_separator(separator: Any) -> None:
    with pytest.raises(TypeError, match="delimiter"):
        CSVLogger("log.csv", separator=separator)


def test_a_folder_that_is_not_there_is_an_error_before_the_first_epoch(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        started(CSVLogger(tmp_path / "none" / "log.csv"), FakeModel())
    with pytest.raises(TypeError):
        CSVLogger(None)
