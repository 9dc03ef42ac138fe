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
from minibatch.batching.dataset import INFINITE_CARDINALITY, UNKNOWN_CARDINALITY, Dataset
from minibatch.batching.prefetch import AUTOTUNE
from minibatch.batching.streams import GeneratorBatches
from minibatch.batching.table import arithmetic_table

__all__ = [
    "AUTOTUNE",
    "INFINITE_CARDINALITY",
    "REMAINDERS",
    "UNKNOWN_CARDINALITY",
    "Batches",
    "Dataset",
    "GeneratorBatches",
    "arithmetic_table",
    "batch_bytes",
    "batch_sizes",
    "last_batch_size",
    "locate_step",
    "samples_seen",
    "steps_for_samples",
    "steps_per_epoch",
    "total_steps",
]
