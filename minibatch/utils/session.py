"""Starting again in one process."""

from __future__ import annotations

from minibatch.utils.names import clear_names


def clear_session(free_memory: bool = True) -> None:
    """Name layers and models from the beginning again: the next Dense is "dense".

    Models that exist keep their names and go on working. The random seeds stay as they are (see
    ``set_random_seed``).

    Parameters
    ----------
    free_memory : bool, default True
        Accepted for Keras's sake: nothing is kept here that a model's end would not free.

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.utils.clear_session()
    >>> mb.layers.Dense(1).name, mb.layers.Dense(1).name
    ('dense', 'dense_1')
    """
    del free_memory
    clear_names()
