"""What a batch is: the arithmetic of epochs, the order of an epoch, and the batches themselves."""

from minibatch.batching.arithmetic import (
    REMAINDERS,
    batch_bytes,
    batch_sizes,
    last_batch_size,
    locate_step,
    samples_seen,
    steps_for_samples,
    steps_per_epoch,
    total_steps,
)
from minibatch.batching.batches import Batches

__all__ = [
    "REMAINDERS",
    "Batches",
    "batch_bytes",
    "batch_sizes",
    "last_batch_size",
    "locate_step",
    "samples_seen",
    "steps_for_samples",
    "steps_per_epoch",
    "total_steps",
]
