"""Batch-size studies: the same model, from the same weights, trained at several batch sizes."""

from minibatch.study.report import BatchSizeStudy, Setting
from minibatch.study.run import Run, train_run
from minibatch.study.sizes import batch_size_study
from minibatch.study.trajectory import Trajectory

__all__ = ["BatchSizeStudy", "Run", "Setting", "Trajectory", "batch_size_study", "train_run"]
