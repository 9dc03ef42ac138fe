"""The gradient of the step before, kept in the form in which products with it cost least."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from minibatch.memory import aligned
from minibatch.noise.training.affine import Affine
from minibatch.noise.training.samples import Samples
from minibatch.typing import Array


class Kept:
    """The mean gradient h of one step, for the samples of the next one.

    Of a dense layer it is kept as the factors of its samples' gradients, where these are smaller than their
    product.
    """

    def __init__(self) -> None:
        #: The step, and |h|^2.
        self.step = 0
        self.norm2 = 0.0
        self._parts: dict[int, Affine] = {}
        self._gradient: Array | None = None
        # Two places for the factors of each layer: of the step that is kept, and of the one that will be.
        self._memory: dict[tuple[Any, ...], Affine] = {}
        self._place = False

    def copied(self, part: Affine) -> Affine:
        """Return a layer's gradients with factors of their own, to be kept when the step is over.

        These begin at a cache line, where all that is computed with them is faster. Where the factors are larger
        than the parameters, they are left as they are.
        """
        if not part.factors_are_less:
            return part
        key = part.kernel.start, part.n, part.scale, part.d.dtype, not self._place
        own = self._memory.get(key)
        if own is None:
            if len(self._memory) > 100:  # batches of many sizes
                self._memory.clear()
            a, d = aligned(part.a.shape, part.a.dtype), aligned(part.d.shape, part.d.dtype)
            own = self._memory[key] = Affine(a, d, part.scale, part.kernel, part.bias)
        own.a[...], own.d[...] = part.a, part.d
        return own

    def keep(self, step: int, gradient: Array, norm2: float, samples: Samples | None) -> None:
        """Keep g_B; in the factors that were ``copied``, if the samples are given."""
        self.step, self.norm2 = step, norm2
        self._parts = {}
        if samples is not None:
            self._parts = {part.kernel.start: part for part in samples.affine if part.factors_are_less}
            self._place = not self._place
        if self._gradient is None or self._gradient.shape != gradient.shape:
            self._gradient = np.zeros_like(gradient)
        for place in [slice(None)] if samples is None else self._others(samples):
            self._gradient[place] = gradient[place]

    def _others(self, samples: Samples) -> Iterator[slice]:
        """Return where the weights lie that are not kept in factors."""
        for part in samples.affine:
            if part.kernel.start not in self._parts:
                yield part.kernel
                if part.bias is not None:
                    yield part.bias
        for weight in samples.others.shares:
            yield samples.parameters.slices[weight]

    @property
    def gradient(self) -> Array:
        """h, (D,), for the weights that are not kept in factors."""
        assert self._gradient is not None
        return self._gradient

    def factors_of(self, part: Affine) -> Affine | None:
        """Return the factors that h is kept in, as far as one layer's weights go; None if it is not in factors."""
        return self._parts.get(part.kernel.start)

    def add_along(self, part: Affine, along: Array) -> None:
        """Add g_i . h to ``along`` (B,), as far as one layer's weights go."""
        kept = self.factors_of(part)
        if kept is None:
            along += part.times(self.gradient)
        else:
            part.add_along(kept, along)

    def along(self, samples: Samples) -> Array:
        """Return g_i . h, (B,) float64, for the samples of another step."""
        along = np.zeros(samples.batch_size)
        for part in samples.affine:
            self.add_along(part, along)
        if samples.others.shares:
            along += samples.others.times(self.gradient)
        return along

    def product(self, gradient: Array, samples: Samples | None) -> float:
        """Return g . h, for the mean g of the samples of another step."""
        if not self._parts:
            return float(np.dot(gradient, self.gradient))
        if samples is not None:
            return float(self.along(samples).mean())
        whole = self.gradient.copy()
        for part in self._parts.values():
            whole[part.kernel] = (part.a.T @ part.d).reshape(-1)
            if part.bias is not None:
                whole[part.bias] = part.d.sum(axis=0)
        return float(np.dot(gradient, whole))

    def state_dict(self) -> dict[str, Any]:
        """Return everything, for ``from_state``."""
        parts = [
            [p.a.copy(), p.d.copy(), p.scale, p.kernel.start, p.kernel.stop, *_ends(p.bias)]
            for p in self._parts.values()
        ]
        gradient = None if self._gradient is None else self._gradient.copy()
        return {"step": self.step, "norm2": self.norm2, "gradient": gradient, "parts": parts}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Kept:
        """Return what ``state_dict`` was of."""
        kept = cls()
        kept.step, kept.norm2 = int(state["step"]), float(state["norm2"])
        kept._gradient = None if state["gradient"] is None else np.array(state["gradient"])
        for a, d, scale, start, stop, *ends in state["parts"]:
            bias = slice(int(ends[0]), int(ends[1])) if ends else None
            kept._parts[int(start)] = Affine(a, d, scale, slice(int(start), int(stop)), bias)
        return kept


def _ends(place: slice | None) -> list[int]:
    return [] if place is None else [place.start, place.stop]
