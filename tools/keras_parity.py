"""Write docs/keras-parity.md: every public name of the installed Keras, and what of it is here.

Both libraries are asked, not remembered: names by ``dir``, arguments by their signatures, the nearest thing by the
error that this library raises. Only ``MEANS`` and ``EVERYWHERE`` are written by hand.

Run ``make parity``, or ``python tools/keras_parity.py``.
"""

from __future__ import annotations

import inspect
import os
import re
import warnings
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import keras

import minibatch as mb
from minibatch.utils.names import argument_names

PAGE = Path(__file__).parents[1] / "docs" / "keras-parity.md"
COMMAND = "make parity"

#: "" is ``keras`` itself; "Model" and "Sequential" are methods and attributes of the classes.
ROOMS = (
    *("", "Model", "Sequential", "layers", "models", "losses", "metrics", "optimizers", "optimizers.schedules"),
    *("callbacks", "initializers", "regularizers", "activations", "utils", "saving", "config", "datasets"),
    *("backend", "preprocessing", "preprocessing.sequence"),
)

#: Names that ``dir(keras)`` shows and Keras does not mean.
PRIVATE = {("", "src")}

EVERYWHERE = (
    "The numbers drawn from a seed are not Keras's: the generators differ, the distributions do not.",
    "The float type is the library's (`config.set_floatx`: float32 or float64), not a layer's; there is no mixed "
    "precision.",
    "Channels come last: `data_format='channels_first'` is refused.",
    "Constraints, regularizers of activities, masks, and low-rank or quantized weights are not here: every layer "
    "refuses their arguments, also where it takes them in Keras by `**kwargs`.",
    "A layer, loss, activation or regularizer of your own defines its gradient beside its value, since nothing "
    "differentiates for it.",
    "There is one way to run, in NumPy on the processor: what in Keras chooses devices, compilation or "
    "distribution is taken without effect or is not here.",
    "There are no tensors: what a call returns, of a model, a layer, a loss or a metric, and what a loop over a "
    "`Dataset` gives, are NumPy arrays and Python's numbers that have a `numpy()`; so have weights, which can be "
    "calculated with. A number taken out of an array is NumPy's, without it.",
    "What `Input` and layers return has no arithmetic: `a + b` raises, and names `layers.Add()([a, b])`; a slice "
    "raises, too.",
    "A model is not a layer of another: `Sequential.add` refuses one, and a model called on a symbol adds its "
    "layers, shared, to the new graph, one by one. So a Keras file with a model inside a model is not read, and "
    "`model.layers[i]` and `get_layer` find one of those layers: to freeze them all, set the inner model's own "
    "`trainable`.",
    "A model takes inputs of the shape that it was built for, and N numbers where it takes (N, 1); Keras also adds "
    "or drops a last axis of length 1 elsewhere, such as that of the channel.",
    "Where Keras goes on with an argument out of its range, or with a class number that is negative or not whole, "
    "this library raises.",
)

#: Where a name means something else than in Keras; one sentence each.
MEANS = {
    "Input": "Every extent is known: `None` is for the batch axis alone. With a `dtype` of whole numbers it takes "
    "no others, which Keras cuts off; otherwise only float32 and float64, which do not change what is computed in.",
    "Model": "Made of symbols only, in lists, not in dicts; a subclass with a `call` of its own is not here.",
    "Sequential": "A model as one of its layers is refused: take that one's `layers`.",
    "Model.compile": "`run_eagerly`, `steps_per_execution`, `jit_compile` and `auto_scale_loss` are taken and have "
    "no effect: they choose how Keras runs a step, never what it computes. An output whose loss is `None` is still "
    "given targets, of which only its metrics take notice.",
    "Model.fit": "Also takes `Batches`, with remainder policies beyond Keras's short last batch; with several "
    "outputs each output's own loss in the logs is a mean over samples, in Keras over batches. A generator that "
    "runs dry ends the training, with its history; Keras trains on over its first two batches. Lists of a "
    "generator's count as tuples.",
    "Model.evaluate": "With several outputs each output's own loss is a mean over samples, in Keras over batches.",
    "Model.variables": "The seeds of random layers are no variables.",
    "Model.non_trainable_variables": "The seeds of random layers are no variables.",
    "Model.train_step": "Makes the whole step and returns the loss; to override it is not Keras's protocol.",
    "Model.test_step": "Returns the loss; to override it is not Keras's protocol.",
    "config.backend": "'numpy', always.",
    "config.set_epsilon": "Between 0 and 1, else it raises.",
    "config.set_image_data_format": "`'channels_first'` is refused.",
    "activations.get": "Refuses a plain function: its gradient is needed, too (`activations.Activation`).",
    "activations.sparsemax": "Sums to 1 everywhere; Keras's does only where one entry takes all.",
    "callbacks.BackupAndRestore": "Goes on in mid-epoch, bit for bit, with the same order of batches, history and "
    "callbacks; Keras's starts the epoch again and forgets the rest.",
    "callbacks.CallbackList": "Called with an event's name, `callbacks('on_epoch_end', epoch, logs)`; it adds no "
    "callback by itself.",
    "Model.save": "As `.keras`; a whole model in `.h5` is read, and not written.",
    "callbacks.ModelCheckpoint": "A whole model as `.keras` alone. `save_best_only` with `save_freq` in batches "
    "works from the first epoch on; Keras's knows which way is better only after it.",
    "callbacks.ProgbarLogger": "The line is drawn again only on a terminal or in a notebook, and without colours; "
    "elsewhere it is printed once.",
    "callbacks.SwapEMAWeights": "Swaps back after a prediction, and a fit stopped early ends on the averages; "
    "Keras's does neither.",
    "initializers.Identity": "Its gain is written into files; Keras's is lost there.",
    "layers.BatchNormalization": "Setting `trainable` takes effect at once; in Keras, at the next `compile`.",
    "layers.Embedding": "A class that comes twice in a batch gives Adam one gradient, the sum; Keras on TensorFlow "
    "squares each occurrence by itself. A class number that is not whole raises; Keras cuts it off.",
    "layers.Layer": "Defines `forward` and `backward`, which keep nothing, instead of `call`. A weight without a "
    "name is numbered within its layer, in Keras over all layers.",
    "layers.Concatenate": "`axis=0`, which would change the number of samples, is refused.",
    "layers.UpSampling2D": "`interpolation='nearest'` alone.",
    "losses.BinaryCrossentropy": "After a softmax it takes the probabilities; Keras feeds it the softmax's logits, "
    "as if they were a sigmoid's. Targets are to lie between 0 and 1, else it raises.",
    "losses.CategoricalCrossentropy": "After a sigmoid it takes the probabilities; Keras feeds it the sigmoid's "
    "logits, as if they were a softmax's.",
    "losses.Huber": "Its delta is written into files; Keras's is lost there.",
    "losses.Loss": "A loss of your own defines its gradient, too.",
    "losses.get": "Refuses a plain function: its gradient is needed, too (`losses.Loss`).",
    "losses.Hinge": "Targets are to lie between -1 and 1, else it raises.",
    "losses.SquaredHinge": "Targets are to lie between -1 and 1, else it raises.",
    "metrics.Metric": "Variables by `add_weight`, as in Keras, or plain numbers, set in `reset_state`; gathers in "
    "float64.",
    "optimizers.Optimizer": "A rule of your own defines `update` on flat vectors instead of `update_step`. Its "
    "`learning_rate` is a float, with `assign` and `numpy`; in Keras a variable.",
    "optimizers.schedules.LearningRateSchedule": "Worked out in float64, in Keras in float32.",
    "regularizers.OrthogonalRegularizer": "The penalty of a single row is 0; Keras's is not a number.",
    "regularizers.Regularizer": "A penalty of your own defines its gradient, too.",
    "regularizers.get": "Refuses a plain function: its gradient is needed, too (`regularizers.Regularizer`).",
    "saving.load_model": "There is no unsafe mode, whatever `safe_mode` says.",
    "utils.PyDataset": "`use_multiprocessing=True` is refused: more workers are threads.",
    "utils.Progbar": "The line is drawn again only on a terminal or in a notebook; elsewhere it is printed once.",
    "utils.image_dataset_from_directory": "Returns a `minibatch.data.Dataset`, for `format='tf'`.",
    "utils.normalize": "Right along `axis=0`, too, which Keras takes for no axis at all.",
    "utils.plot_model": "Drawn by Matplotlib; Keras needs Graphviz.",
    "utils.split_dataset": "Returns two `minibatch.data.Dataset`; a `preferred_backend` is refused.",
    "utils.set_random_seed": "Every epoch keeps a permutation of its own; in Keras on TensorFlow all epochs then "
    "share one.",
    "utils.to_categorical": "A negative class number is refused, which Keras counts from the end; the result is "
    "of `config.floatx()`, in Keras float64.",
}
#: Other names of which the same is true.
ALIASES = {
    "backend.backend": "config.backend",
    "backend.set_epsilon": "config.set_epsilon",
    "backend.set_image_data_format": "config.set_image_data_format",
    "layers.Input": "Input",
    "models.Model": "Model",
    "models.Sequential": "Sequential",
    "models.load_model": "saving.load_model",
    "initializers.IdentityInitializer": "initializers.Identity",
    "initializers.identity": "initializers.Identity",
    "losses.SparseCategoricalCrossentropy": "losses.CategoricalCrossentropy",
    "regularizers.orthogonal_regularizer": "regularizers.OrthogonalRegularizer",
    "preprocessing.image_dataset_from_directory": "utils.image_dataset_from_directory",
    "utils.Sequence": "utils.PyDataset",
}
MEANS |= {alias: MEANS[name] for alias, name in ALIASES.items()}


@dataclass(frozen=True)
class Row:
    """One name of Keras's: whether it is here, what differs, and the arguments that this library refuses."""

    room: str
    name: str
    here: bool
    differences: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """One of "yes", "differs", "no"."""
        return "no" if not self.here else "differs" if self.differences else "yes"


def whole(room: str) -> str:
    """Return a namespace's full name in Keras."""
    return f"keras.{room}".rstrip(".")


def room_of(library: Any, room: str) -> Any:
    """Return a namespace of one of the two libraries; of its models' classes, an instance of ours."""
    if room in ("Model", "Sequential") and library is mb:
        # Named, so that asking does not move the numbers in the names of other models.
        x, dense = mb.Input((2,), name="x"), mb.layers.Dense(1, name="y")
        model = mb.Model(x, dense(x), name=room) if room == "Model" else mb.Sequential([x, dense], name=room)
        model.compile("sgd", "mse")
        return model
    return attrgetter(room)(library) if room else library


def public(room: str) -> list[str]:
    """Return Keras's public names in a namespace; of Sequential, what Model has not."""
    names = [n for n in dir(room_of(keras, room)) if not n.startswith("_") and (room, n) not in PRIVATE]
    return (
        sorted(set(names) - set(dir(keras.Model)), key=order) if room == "Sequential" else sorted(names, key=order)
    )


def order(name: str) -> tuple[str, str]:
    """Return what names are sorted by: the alphabet, capitals first where only they differ."""
    return name.lower(), name


def arguments(thing: Any) -> dict[str, Any]:
    """Return the arguments by name that a class, method or function names in its own signature."""
    if isinstance(thing, ModuleType | property) or not callable(thing):
        return {}
    try:
        found = inspect.signature(thing.__init__ if inspect.isclass(thing) else thing).parameters
    except (TypeError, ValueError):
        return {}
    rest = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return {name: p for name, p in found.items() if name != "self" and p.kind not in rest}


def compare(room: str, name: str, theirs: Any, mine: Any) -> Row:
    """Return the row of a name that both have: from their signatures, and from ``MEANS``."""
    their, my = ({}, {}) if not callable(mine) else (arguments(theirs), arguments(mine))
    # A class takes what its base classes take, an object what its class's call takes, whatever its signature says.
    taken = {*my, *(argument_names(mine) if inspect.isclass(mine) else arguments(type(mine).__call__))}
    first = [*zip(their, my, strict=False)][:1]
    called = {a: b for a, b in first if a not in taken and b not in their}
    refused = tuple(sorted(a for a in their if a not in taken and a not in called))
    notes = [f"`{theirs_}` is called `{mine_}` here." for theirs_, mine_ in called.items()]
    if refused:
        notes.append(f"Refuses {', '.join(f'`{a}`' for a in refused)}.")
    empty = inspect.Parameter.empty
    for a in their:
        # None stands for a value worked out later: there for print, here for a name.
        defaults = {their[a].default, my[a].default} if a in my and a in ("name", "print_fn") else set()
        if a not in my or their[a].default == my[a].default or None in defaults:
            continue
        words = ["required" if p.default is empty else f"`{p.default!r}`" for p in (my[a], their[a])]
        notes.append(
            f"`{a}` is {words[0]} by default, in Keras {words[1]}.".replace("required by default", "required")
        )
    means = MEANS.get(f"{room}.{name}".lstrip("."))
    return Row(room, name, True, (*notes, *([means] if means else ())), refused)


def nearest(room: str, name: str) -> str:
    """Return what the error of this library names as the nearest thing, or as today's spelling."""
    try:
        getattr(room_of(mb, room), name)
    except AttributeError as error:
        found = re.search(r"The nearest here: (.*)\.$|today it is (.*)\.$", str(error), re.DOTALL)
        return next(filter(None, found.groups())) if found else ""
    return ""


def is_here(room: str, mine: Any, name: str, theirs: Any) -> bool:
    """Return whether this library has a name of Keras's."""
    if not hasattr(mine, name):
        return False
    # A file of ours that happens to have a name of Keras's is not that thing.
    return (
        room in ("Model", "Sequential")
        or not isinstance(getattr(mine, name), ModuleType)
        or inspect.ismodule(theirs)
    )


def rows() -> list[Row]:
    """Return a row for each of Keras's public names, room by room."""
    found = []
    for room in ROOMS:
        theirs, mine = room_of(keras, room), room_of(mb, room)
        for name in public(room):
            thing = inspect.getattr_static(theirs, name) if inspect.isclass(theirs) else getattr(theirs, name)
            if not is_here(room, mine, name, thing):
                near = nearest(room, name)
                found.append(Row(room, name, False, (f"Nearest: {near}.",) if near else ()))
            else:
                thing = getattr(theirs, name) if not isinstance(thing, property) else thing
                found.append(compare(room, name, thing, getattr(type(mine), name, None) or getattr(mine, name)))
    return found


def only_here(room: str) -> list[str]:
    """Return the public names of this library that Keras does not have in that namespace."""
    names = getattr(room_of(mb, room), "__all__", ())
    return sorted(set(names) - set(dir(room_of(keras, room))), key=order)


def page(table: list[Row]) -> str:
    """Return the page, the same for the same two libraries."""
    lines = [
        "# Keras, name by name",
        "",
        f"Every public name of Keras {keras.__version__}, and what of it is here. Written by `{COMMAND}` from both",
        "libraries' own namespaces, signatures and errors; a test fails when it is stale.",
        "",
        "- **yes**: the same arguments with the same defaults (that the numbers are the same, tests/parity tests).",
        "- **differs**: as the third column says. An argument that is refused raises a TypeError that names it,",
        "  unless, in a constructor, its value asks for what happens here anyway, such as Keras's default.",
        "- **no**: asking for it raises an error that says that Keras has it, and names the nearest thing here.",
        "",
        "| | names | yes | differs | no |",
        "|---|--:|--:|--:|--:|",
    ]
    rooms = [(whole(room), [row for row in table if row.room == room]) for room in ROOMS]
    for name, part in [*((f"`{room}`", part) for room, part in rooms), ("**all**", table)]:
        counts = [sum(row.state == state for row in part) for state in ("yes", "differs", "no")]
        lines.append(f"| {name} | {len(part)} | {' | '.join(map(str, counts))} |")
    lines += ["", "## Everywhere", "", *(f"- {sentence}" for sentence in EVERYWHERE)]
    for (name, part), room in zip(rooms, ROOMS, strict=True):
        lines += [
            "",
            f"## {name}",
            "",
            "| name | here | what differs, or the nearest thing here |",
            "|---|---|---|",
        ]
        for row in part:
            lines.append(
                f"| `{row.name}` | {row.state} | {' '.join(row.differences).replace('|', chr(92) + '|')} |"
            )
        if only_here(room):
            lines += ["", f"Only here: {', '.join(f'`{n}`' for n in only_here(room))}."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(rows()), encoding="utf-8")
    print(f"{PAGE.name}: {len(rows())} names of Keras {keras.__version__}")


if __name__ == "__main__":
    main()
