"""Batch-size studies: the same model, from the same weights, trained at several batch sizes."""

from minibatch.study.run import Run, train_run
from minibatch.study.trajectory import Trajectory

__all__ = ["Run", "Trajectory", "train_run"]
