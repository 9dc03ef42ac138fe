"""The parent's end of a child process: start it, ask it, and know what became of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minibatch.compare import host
from minibatch.compare.errors import BackendMissingError, BuildError, ChildError, DeviceMissingError
from minibatch.compare.job import Job, Side

# The child looks for modules where this process does, and nowhere else (-P: not in the folder it starts in).
_START = (
    "import json, pathlib, sys; sys.path[:] = json.loads(pathlib.Path(sys.argv[1]).read_text()); "
    "from minibatch.compare.worker import main; main(*sys.argv[2:])"
)
#: How much of the log is passed on when a child dies.
TAIL = 2000


class Child:
    """A process that has one library open.

    Parameters
    ----------
    folder : Path
        Of the job.
    side : Side
    job : Job
    """

    def __init__(self, folder: Path, side: Side, job: Job) -> None:
        self.side = side
        self.dead: str | None = None
        # One for each child: another one may be about to read its own.
        paths = folder / f"{side.backend}-{side.device}.path.json"
        paths.write_text(json.dumps([path or os.getcwd() for path in sys.path]))
        self.log = folder / f"{side.backend}-{side.device}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", _START, str(paths), str(folder), side.backend, side.device],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                env=_environment(side, job),
            )

    def send(self, **command: Any) -> None:
        """Send a command, and do not wait for the answer."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
        except OSError:  # it is gone; `answer` says so
            pass

    def answer(self, progress: Callable[[int], Any] = lambda steps: None) -> dict[str, Any]:
        """Wait for the answer to the last command.

        Raises
        ------
        ChildError
            If the child answers with an error, or ends.
        BackendMissingError, DeviceMissingError, BuildError
            If that is what its error was.
        """
        assert self.process.stdout is not None
        for line in iter(self.process.stdout.readline, ""):
            message = json.loads(line)
            if "progress" in message:
                progress(message["progress"])
            elif "done" in message:
                done: dict[str, Any] = message["done"]
                return done
            else:
                raise _as_error(message["error"])
        self.dead = self._how_it_ended()
        raise ChildError(self.dead)

    def ask(self, progress: Callable[[int], Any] = lambda steps: None, **command: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        if self.dead:
            raise ChildError(f"not run: {self.dead.splitlines()[0]}")  # what it said was passed on when it died
        self.send(**command)
        return self.answer(progress)

    def close(self, patience: float = 5.0) -> None:
        """End the process. It has nothing to save."""
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                if pipe is not None:
                    pipe.close()
            except OSError:  # what was still to be sent has no reader
                pass
        self.process.terminate()
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _how_it_ended(self) -> str:
        code = self.process.wait()
        how = f"exit status {code}"
        if code < 0:
            how = f"signal {signal.Signals(-code).name}"
            if -code == getattr(signal, "SIGKILL", None):
                how += " (perhaps for want of memory)"
        tail = self.log.read_bytes()[-TAIL:].decode("utf-8", "replace").strip()
        return f"the child process of {self.side.backend} ended with {how}." + (
            f" It said:\n{tail}" if tail else ""
        )


def _as_error(error: dict[str, Any]) -> Exception:
    """Return the exception for a child's error, with the child's traceback as a note."""
    found = _KINDS.get(error["kind"], ChildError)(error["message"])
    found.add_note("In the child process:\n" + error["traceback"])
    return found


_KINDS: dict[str, type[Exception]] = {
    "backend": BackendMissingError,
    "device": DeviceMissingError,
    "build": BuildError,
}


def _environment(side: Side, job: Job) -> dict[str, str]:
    if side.backend == "minibatch":
        return dict(os.environ) | host.threads_environment(job.threads) | {"PYTHONUTF8": "1"}
    from minibatch.compare.keras_library import environment

    return environment(side.backend, side.device, job.precision, job.threads) | {"PYTHONUTF8": "1"}
