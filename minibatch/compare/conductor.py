"""Has the children play, in turn."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from minibatch.compare import differences, gradients
from minibatch.compare.children import Child
from minibatch.compare.comparison import Comparison
from minibatch.compare.errors import BuildError, ChildError, InterruptedComparison
from minibatch.compare.job import Job, Side
from minibatch.compare.run import Failure, Pair, Run, SideInfo
from minibatch.typing import Array

Progress = Callable[[str, int, int], Any]


class Conductor:
    """Starts a child for each side, and asks them in turn for each seed and batch size.

    Parameters
    ----------
    folder : Path
        Where the job lies.
    job : Job
    sides : list of Side
    settings : dict
        Of the comparison.
    progress : callable or None
    stack : ExitStack
        Ends the children.
    """

    def __init__(
        self,
        folder: Path,
        job: Job,
        sides: list[Side],
        settings: dict[str, Any],
        progress: Progress | None,
        stack: ExitStack,
    ) -> None:
        self.settings, self.job = settings, job
        self.children: list[Child] = []
        for side in sides:
            # One by one, so that what was started is ended, whatever comes.
            self.children.append(Child(folder, side, job))
            stack.callback(self.children[-1].close)
        self.comparison = Comparison(settings, [], {}, {}, [], [])
        self.progress, self.done = progress, 0
        per_epoch = [math.ceil(settings["n_samples"] / size) for size in settings["batch_sizes"]]
        self.in_all = sum(per_epoch) * job.epochs * len(settings["seeds"]) * len(sides)

    def run(self) -> Comparison:
        """Run everything; return the comparison.

        Raises
        ------
        InterruptedComparison
            On Ctrl-C, with what was finished.
        """
        try:
            self._open()
            self._check_builds()
            for seed in self.settings["seeds"]:
                for size in self.settings["batch_sizes"]:
                    self._all_sides(seed, size)
            self._note_losses()
        except KeyboardInterrupt:
            for child in self.children:
                child.process.kill()  # it may be in a long step, and nothing of it will be used
            raise InterruptedComparison(self.comparison) from None
        return self.comparison

    def _open(self) -> None:
        """Wait until all libraries are loaded; they load at the same time."""
        self._tell("starting", 0)
        for child in self.children:
            child.send(do="open")
        for child in self.children:
            found = self._reply(child)
            if found is None:
                continue
            self.comparison.settings.setdefault("host", found.pop("host"))
            found.pop("host", None)
            onednn = found.pop("onednn", None)
            if onednn is not None:
                found["versions"]["onednn"] = "off" if onednn == "0" else "on"
            name = child.side.backend
            if name != "minibatch":
                name = f"{name} {found['kind']}"
            if any(side.name == name for side in self.comparison.sides):
                # Asked for "auto" and "cpu" where there is no GPU: one is enough.
                child.dead = "the same side twice"
                continue
            self.comparison.sides.append(SideInfo(name, child.side.backend, child.side.device, **found))
        self.children = [child for child in self.children if not child.dead]

    def _check_builds(self) -> None:
        """Have the initial weights drawn, and every side's model built and compared with them."""
        here, *others = self.children
        own = self.settings["mode"] == "own"
        self._tell("building", 0)
        for seed in self.settings["seeds"][:1] if own else self.settings["seeds"]:
            random = here.ask(do="draw", seed=seed)["random_layers"]
            if random and not own and not self.comparison.notes:
                self.comparison.notes.append(
                    f"The layers {', '.join(random)} draw random numbers in training, each library its own: with "
                    "them the paths part from the first step, and only the mode 'own' compares fairly."
                )
        for child in others:
            child.send(do="check", seed=self.settings["seeds"][0])
        for child in others:
            self._reply(child)
        lost = [child.dead is not None for child in self.children]
        self.children = [child for child, gone in zip(self.children, lost, strict=True) if not gone]
        sides = self.comparison.sides
        self.comparison.sides = [side for side, gone in zip(sides, lost, strict=True) if not gone]

    def _reply(self, child: Child) -> dict[str, Any] | None:
        """Return a child's answer, or None if it was lost before any training and others go on without it.

        Raises
        ------
        ChildError
            If nothing would be left to compare: it is minibatch, or the only other side.
        """
        try:
            return child.answer()
        except ChildError as error:
            child.dead = child.dead or str(error)
            if child is self.children[0] or all(other.dead for other in self.children[1:]):
                raise
            name = f"{child.side.backend} {child.side.device}"
            first = Failure(name, self.settings["batch_sizes"][0], self.settings["seeds"][0], str(error))
            self.comparison.failures.append(first)
            self.comparison.notes.append(
                f"Keras on {child.side.backend} ({child.side.device}) did not come up: none of its trainings ran."
            )
            return None

    def _all_sides(self, seed: int, size: int) -> None:
        own = self.settings["mode"] == "own"
        arrays: dict[str, dict[str, Array]] = {}
        for child, info in zip(self.children, self.comparison.sides, strict=True):
            arrays[info.name] = self._ask(child, info, "own" if own else "steps", seed, size)
            if not own and info.name != "minibatch" and arrays[info.name] and arrays["minibatch"]:
                pair = _pair(info.name, size, seed, arrays, self.settings["tolerance"])
                self.comparison.pairs[info.name, size, seed] = pair

    def _ask(self, child: Child, info: SideInfo, do: str, seed: int, size: int) -> dict[str, Array]:
        """Have one side train; keep its run, or why there is none. Return its arrays."""
        per_run = math.ceil(self.settings["n_samples"] / size) * self.job.epochs
        name = f"{do}-{info.name}-{size}-{seed}".replace(" ", "-")
        before = self.done

        def progress(steps: int) -> None:
            self._tell(f"{info.label}, batch {size}, seed {seed}", steps)

        progress(0)
        try:
            numbers = child.ask(progress, do=do, seed=seed, batch_size=size, name=name)
            if numbers["ran_on"] != info.kind:
                raise ChildError(
                    f"it was to run on a {info.kind.upper()}, and ran on a {numbers['ran_on'].upper()}."
                )
        except (ChildError, BuildError) as error:
            self.comparison.failures.append(Failure(info.name, size, seed, str(error)))
            return {}
        finally:
            progress(before + per_run - self.done)
        arrays = _load(numbers.pop("arrays"))
        empty = np.empty(0)
        run = Run(info.name, size, seed, numbers, arrays.get("loss", empty), arrays.get("seconds", empty))
        self.comparison.runs[run.key] = run
        return arrays or {"": empty}

    def _note_losses(self) -> None:
        """Note which losses left the finite numbers: two that did so together agree on nothing."""
        labels = {side.name: side.label for side in self.comparison.sides}
        found = {}
        for run in self.comparison.runs.values():
            bad = np.flatnonzero(~np.isfinite(run.loss if len(run.loss) else run.numbers["history"]["loss"]))
            if len(bad):
                where = f"{'step' if len(run.loss) else 'epoch'} {bad[0] + 1:,}"
                found[f"{labels[run.side]} at batch size {run.batch_size:,} (seed {run.seed}: {where})"] = True
        if found:
            self.comparison.notes.append(
                f"The loss is not finite any more, and says nothing from there on: {', '.join(found)}."
            )

    def _tell(self, what: str, steps: int) -> None:
        self.done += steps
        if self.progress is not None:
            self.progress(what, self.done, self.in_all)


def _pair(side: str, size: int, seed: int, arrays: dict[str, dict[str, Array]], tolerance: float) -> Pair:
    mine, theirs = arrays["minibatch"], arrays[side]
    loss = differences.of_steps(mine["loss"], theirs["loss"])
    a, b = (found["weights"].astype(np.float64) for found in (mine, theirs))
    angles, gaps = {}, {}
    for name in sorted(mine):
        if name.startswith("G") and name in theirs:
            G, other = mine[name], theirs[name]
            angles[int(name[1:])] = float(gradients.angle(G[None], other)[0])
            gaps[int(name[1:])] = float(np.linalg.norm(G - other)) / max(float(np.linalg.norm(other)), 1e-300)
    return Pair(
        side=side,
        batch_size=size,
        seed=seed,
        loss_difference=loss,
        weight_steps=mine["weights_after"],
        weight_difference=np.abs(a - b).max(axis=1),
        first_parting=differences.first_parting(loss, tolerance),
        gradient_angles=angles,
        gradient_differences=gaps,
    )


def _load(path: str) -> dict[str, Array]:
    with np.load(path) as arrays:
        found = dict(arrays)
    Path(path).unlink()
    return found
