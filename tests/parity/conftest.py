from __future__ import annotations

import pytest

# Third parties' own deprecations, met while TensorFlow runs: not errors of this library.
QUIET = ("ignore::DeprecationWarning:(keras|tensorflow|ml_dtypes|google|gast|astunparse|optree).*",)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "parity" in item.path.parts:
            for filter_ in QUIET:
                item.add_marker(pytest.mark.filterwarnings(filter_))


@pytest.fixture(autouse=True)
def _names_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    from parity.keras_reference import keras

    monkeypatch.setenv("COLUMNS", "80")  # Keras fits its tables to the terminal
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(1234)
