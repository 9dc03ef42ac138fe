"""Gradient noise while a model trains: the monitor, and the callbacks that act on what it sees."""

from minibatch.noise.training.adaptive import AdaptiveBatchSize
from minibatch.noise.training.early_stopping import EarlyStoppingEB
from minibatch.noise.training.monitor import GradientNoise

__all__ = ["AdaptiveBatchSize", "EarlyStoppingEB", "GradientNoise"]
