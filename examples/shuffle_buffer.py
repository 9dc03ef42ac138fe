"""
A shuffle buffer on sorted data
===============================

A shuffle buffer, tf.data's way to shuffle, sees only as far as its size. Data that lie sorted by class on disk
stay nearly sorted: the network is shown one class after another, and forgets the first while it learns the last.
``Batches`` permutes the indices instead, which costs 8 bytes and 4 ns per sample.
"""

import numpy as np

from minibatch.batching import Batches

n_classes, per_class = 10, 200
y = np.repeat(np.arange(n_classes), per_class)  # sorted, as files in one directory per class are
x = np.arange(len(y))

print(f"{len(y):,} samples of {n_classes} classes, sorted; batches of 50\n")
print("shuffle                       classes in a batch (mean)   classes in the first batch")
ways = [
    ("False", {"shuffle": False}),
    ("'batch'", {"shuffle": "batch"}),
    ("'buffer', buffer_size=100", {"shuffle": "buffer", "buffer_size": 100}),
    ("'buffer', buffer_size=1000", {"shuffle": "buffer", "buffer_size": 1000}),
    ("'buffer', buffer_size=2000", {"shuffle": "buffer", "buffer_size": len(y)}),
    ("True", {"shuffle": True}),
    ("'stratified'", {"shuffle": "stratified"}),
]
for name, options in ways:
    seen = [set(y_b.tolist()) for _, y_b in Batches(x, y, batch_size=50, seed=0, **options)]
    mean = np.mean([len(classes) for classes in seen])
    print(f"{name:<30}{mean:>25.1f}   {' '.join(map(str, sorted(seen[0])))}")

print(
    "\nA buffer shuffles well when it holds the whole dataset; then a permutation is the same thing, "
    "and holds\nindices instead of samples."
)
