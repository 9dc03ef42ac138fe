"""What every optimizer is: a step on flat vectors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from minibatch import memory
from minibatch.optimizers.clipping import global_scale, norm, weight_scale
from minibatch.optimizers.settings import Settings
from minibatch.optimizers.stretches import BLOCK, Slices, Stretch, stretches
from minibatch.parallel import each
from minibatch.results import Count, result
from minibatch.typing import Array

#: From so many blocks on they are shared by several threads (see ``parallel``); a step of fewer is over too soon.
SHARED = 8

#: The slots of two options that every rule has.
AVERAGE = "model_variables_moving_average"
ACCUMULATOR = "gradient_accumulator"


class Optimizer(Settings):
    """A rule that moves the parameter vector theta against a gradient.

    Subclasses name their ``slots`` (vectors like theta that they keep between steps, such as a momentum) and
    define ``update``, which works in place on a block of the vectors at a time. A step clips the gradient, decays
    the weights, updates and averages; every option is off by default.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule, or callable
        The length of a step per unit of gradient. A schedule is asked with the number of steps made; any other
        callable, without an argument.
    weight_decay : float, optional
        Before the update theta <- theta - lr weight_decay theta, apart from the gradient (Loshchilov and Hutter
        2019). See ``exclude_from_weight_decay``.
    clipnorm : float, optional
        The gradient of each weight is made no longer than this. Here, as below, 0 clips nothing, as in Keras.
    clipvalue : float, optional
        Each number of the gradient is brought between -clipvalue and clipvalue.
    global_clipnorm : float, optional
        The whole gradient is made no longer than this.
    use_ema : bool, default False
        Keep an average, the theta of the first step and from then on
        average <- ema_momentum average + (1 - ema_momentum) theta. A fit ends by making it theta: see ``finalize``.
    ema_momentum : float in [0, 1], default 0.99
    ema_overwrite_frequency : int, optional
        After every so many steps theta becomes the average.
    loss_scale_factor : None
        Not here: it is for float16.
    gradient_accumulation_steps : int of 2 or more, optional
        Make a step with the mean of so many gradients, so that k batches of B samples act as one of k B.
    name : str, optional

    Attributes
    ----------
    iterations : int
        How many steps have been made.
    micro_steps : int
        How many gradients were given: ``iterations``, unless they accumulate. Keras's variable ``iteration``.
    state : dict of str to ndarray, shape (D,)
        The slots by name, from the first step on.
    rate : float
        During a step, its learning rate.

    Raises
    ------
    ValueError
        If a number lies outside its range, or more than one of the three ways of clipping is asked for.
    TypeError
        For an argument that is unknown.

    Examples
    --------
    A rule of one's own, stepping by the sign of the gradient:

    >>> import minibatch as mb
    >>> import numpy as np
    >>> class SignDescent(mb.optimizers.Optimizer):
    ...     def update(self, theta, g, *slots_and_scratch):
    ...         theta -= self.rate * np.sign(g)
    >>> theta = np.array([1.0, 2.0])
    >>> SignDescent(learning_rate=0.5).apply(np.array([-3.0, 0.1]), theta)
    >>> theta
    array([1.5, 1.5])
    """

    def __init__(self, learning_rate: Any, **shared: Any) -> None:
        super().__init__(learning_rate, **shared)
        self.state: dict[str, Array] = {}
        self.rate = 0.0
        self._plan: list[Stretch] = []
        self._pieces: list[tuple[int, slice]] = []
        self._slots: tuple[str, ...] = ()
        self._planned_for: tuple[Any, ...] = ()

    # The rule: what a subclass defines ----------------------------------------------------------------------

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of the vectors that the rule keeps, in the order in which ``update`` takes them."""
        return ()

    def initial(self, slot: str) -> float:
        """Return what a slot is filled with at first."""
        return 0.0

    def prepare(self, dtype: np.dtype[Any]) -> None:
        """Work out what is the same for every block of a step, given theta's float type; ``rate`` is known."""

    def update(self, theta: Array, g: Array, *slots_and_scratch: Array) -> None:
        """Move a block of theta in place, by ``rate``; ``iterations`` does not count this step yet.

        Takes the block of theta, of the gradient, and of each slot in order, then a scratch array of the same
        length. The gradient must be left as it is.
        """
        raise TypeError(f"{type(self).__name__} must define update(theta, g, *slots, scratch).")

    def sweep(self, theta: Array, g: Array, *slots: Array) -> bool:
        """Do what ``update`` does, to a whole stretch in one compiled pass; return False where there is none."""
        return False

    # A step -------------------------------------------------------------------------------------------------

    def apply(self, gradient: Array, theta: Array, slices: Slices | None = None) -> None:
        """Make one step: move ``theta`` in place by the rule. The gradient is left as it is.

        Parameters
        ----------
        gradient, theta : ndarray, shape (D,)
        slices : mapping of weight or str to slice, optional
            Where the weights that move lie in theta. The rest and its slots stay as they are. None is the whole
            vector, as one weight.

        Raises
        ------
        ValueError
            If theta is not as long as it was at the first step, or the slices do not fit.
        """
        self.build(theta, slices)
        if self.gradient_accumulation_steps:
            self._accumulate(gradient, theta, self.gradient_accumulation_steps)
        else:
            self._step(gradient, theta)
        if self.use_ema:
            self._average(theta)
        self.micro_steps += 1

    def build(self, theta: Array, slices: Slices | None = None) -> None:
        """Make the slots for this parameter vector and plan the way through it, unless that has been done.

        Raises
        ------
        ValueError
            As ``apply``.
        """
        told = self.slots, not self.weight_decay, self._exclude, not self.clipnorm
        key = (theta.size, theta.dtype, told, slices)
        if key == self._planned_for:
            return
        names = [slot for group in self.keras_layout() for slot in group]
        other = next((self.state[slot] for slot in names if self.state.get(slot, theta).shape != theta.shape), None)
        if other is not None:
            raise ValueError(
                f"the optimizer {self.name!r} was built for {other.size} parameters; got {theta.size}. Make a new "
                "optimizer for another model."
            )
        if slices is None and self.weight_decay and any(self._exclude):
            raise ValueError(
                f"{self.name!r} is to exclude weights from weight decay, so it needs slices: where each lies."
            )
        plan = stretches(theta.size, slices, self._decays, bool(self.clipnorm), BLOCK)
        for slot in names:
            if slot in self.state:
                self.state[slot] = self.state[slot].astype(theta.dtype, copy=False)
            else:
                self.state[slot] = theta.copy() if slot == AVERAGE else np.full_like(theta, self.initial(slot))
        self._slots = self.slots
        self._pieces = [(i, block) for i, stretch in enumerate(plan) for block in stretch.blocks]
        # A copy of the slices: those that the caller changes later are others.
        self._plan, self._planned_for = plan, (*key[:-1], slices if slices is None else dict(slices))

    def _step(self, gradient: Array, theta: Array) -> None:
        self.rate = self.rate_now()
        self.prepare(theta.dtype)
        scales = self._scales(gradient)
        limit = self.clipvalue if self.clipvalue and self.clipvalue > 0 else None
        slots = [self.state[slot] for slot in self._slots]
        # A rule of the user's may draw random numbers, or count: it sees its blocks in order, one at a time.
        in_order = not (getattr(self.update, "__module__", None) or "").startswith("minibatch.")

        def move(piece: tuple[int, slice]) -> None:
            i, block = piece
            t, g = theta[block], gradient[block]
            free = memory.scratch("step", t.shape, t.dtype)
            if scales:
                g = np.multiply(g, scales[i], out=memory.scratch("clipped", t.shape, t.dtype))
            elif limit:
                g = np.clip(g, -limit, limit, out=memory.scratch("clipped", t.shape, t.dtype))
            if self._plan[i].decays:
                np.multiply(t, self.weight_decay or 0.0, out=free)
                free *= self.rate
                t -= free
            self.update(t, g, *[slot[block] for slot in slots], free)

        pieces = self._pieces
        if theta.nbytes >= memory.LARGE and not (in_order or scales or limit):
            vectors = [theta, gradient, *slots]
            left = {i for i, run in enumerate(self._plan) if run.decays or not self.sweep(*run.of(vectors))}
            pieces = [piece for piece in pieces if piece[0] in left] if len(left) < len(self._plan) else pieces
        if in_order or len(pieces) < SHARED:
            for piece in pieces:
                move(piece)
        else:
            each(move, pieces)

    def _scales(self, gradient: Array) -> list[float]:
        """Return each stretch's factor for the gradient; nothing if none is too long."""
        if self.clipnorm and self.clipnorm > 0:
            scales = [weight_scale(norm([gradient[run.place]]), self.clipnorm) for run in self._plan]
        elif self.global_clipnorm and self.global_clipnorm > 0:
            length = norm(gradient[run.place] for run in self._plan)
            scales = [global_scale(length, self.global_clipnorm)] * len(self._plan)
        else:
            return []
        return scales if any(scale != 1 for scale in scales) else []

    def _decays(self, weight: Any) -> bool:
        """Return whether weight decay applies; ``weight`` is a key of the slices."""
        var_list, var_names = self._exclude
        path = str(getattr(weight, "path", weight))
        listed = weight in var_list or any(re.search(pattern, path) for pattern in var_names)
        return bool(self.weight_decay) and not listed

    def _accumulate(self, gradient: Array, theta: Array, steps: int) -> None:
        """Add the gradient to those before it; when there are enough, make a step with their mean."""
        total = self.state[ACCUMULATOR]
        due = (self.micro_steps + 1) % steps == 0
        for run in self._plan:
            total[run.place] += gradient[run.place]
            if due:
                total[run.place] /= steps
        if due:
            self._step(total, theta)
            for run in self._plan:
                total[run.place] = 0

    def _average(self, theta: Array) -> None:
        """Take theta into its moving average; make that theta when its time has come."""
        # In theta's own float type, as in Keras, so that the two weights add up to one there.
        real = theta.dtype.type
        kept = real(self.ema_momentum if self.steps_made else 0)
        average = self.state[AVERAGE]
        for _, block in self._pieces:
            piece = average[block]
            new = memory.scratch("step", piece.shape, piece.dtype)
            np.multiply(theta[block], real(1) - kept, out=new)
            piece *= kept
            piece += new
        if self.ema_overwrite_frequency and (self.steps_made + 1) % self.ema_overwrite_frequency == 0:
            self.finalize(theta)

    def finalize(self, theta: Array, slices: Slices | None = None) -> None:
        """End a fit: with ``use_ema``, theta becomes its average (Keras's ``finalize_variable_values``).

        Parameters
        ----------
        theta : ndarray, shape (D,)
        slices : mapping of weight or str to slice, optional
            Where to; by default where the last step moved theta.
        """
        if self.use_ema and AVERAGE in self.state:
            if slices is not None or not self._plan:
                self.build(theta, slices)
            for run in self._plan:
                theta[run.place] = self.state[AVERAGE][run.place]

    # What it keeps ------------------------------------------------------------------------------------------

    def keras_layout(self) -> list[tuple[str, ...]]:
        """Return the slots' names in the order of Keras's variables.

        Keras has a variable per slot and weight: for each group in turn, weight by weight, the group's slots.
        """
        options = {AVERAGE: self.use_ema, ACCUMULATOR: self.gradient_accumulation_steps}
        return [(slot,) for slot in (*(option for option, used in options.items() if used), *self.slots)]

    @property
    def variables(self) -> list[Any]:
        """What Keras lists: ``micro_steps``, the learning rate unless it is scheduled, then the slots by weight.

        The slots are views, there from the first step on.
        """
        scalars = [Count(self.micro_steps), *([] if self.learning_rate_is_scheduled else [self.learning_rate])]
        slices = (self._planned_for and self._planned_for[-1]) or {"theta": slice(None)}
        return scalars + [
            result(self.state[slot][place].reshape(getattr(weight, "shape", -1)))
            for group in self.keras_layout()
            for weight, place in slices.items()
            for slot in group
            if slot in self.state
        ]

    def state_dict(self) -> dict[str, Any]:
        """Return all that the optimizer has learnt, as copies: "iteration" (``micro_steps``), the slots by name.

        And "learning_rate", unless it is scheduled.
        """
        kept: dict[str, Any] = {"iteration": self.micro_steps}
        if not self.learning_rate_is_scheduled:
            kept["learning_rate"] = self.rate_now()
        return kept | {slot: vector.copy() for slot, vector in self.state.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state_dict`` of an optimizer with the same settings returned, as copies.

        Raises
        ------
        ValueError
            If names or shapes do not fit; nothing is changed then.
        """
        scalars = ["iteration"] if self.learning_rate_is_scheduled else ["iteration", "learning_rate"]
        slots = [slot for group in self.keras_layout() for slot in group]
        given = {
            name: np.array(vector) for name, vector in state.items() if name not in ("iteration", "learning_rate")
        }
        if not set(scalars) <= set(state) or (given and set(given) != set(slots)):
            raise ValueError(f"{self.name!r} keeps {[*scalars, *slots]}; the state holds {list(state)}.")
        shapes = {vector.shape for vector in (*given.values(), *self.state.values())}
        if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
            raise ValueError(f"the slots of {self.name!r} are vectors of one length; got shapes {sorted(shapes)}.")
        if int(state["iteration"]) < 0:
            raise ValueError(f"{self.name!r}: iteration must be 0 or more; got {state['iteration']!r}.")
        if "learning_rate" in scalars:
            self.learning_rate = float(state["learning_rate"])
        self.micro_steps = int(state["iteration"])
        self.state, self._plan, self._planned_for = given, [], ()
