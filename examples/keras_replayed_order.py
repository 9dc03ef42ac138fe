"""
Does the machine decide the accuracy? Batch sizes 24, 32 and 48, in two libraries
=================================================================================

Two things that Keras does on its own. Under ``keras.utils.set_random_seed`` its TensorFlow backend shows the
samples in one and the same order in every epoch. And single accuracies at batch sizes that are nearly alike differ
between libraries and machines by a percent or two: by as much as they differ between two seeds. Whoever compares
single runs finds a "best batch size", or a "better machine", that another seed takes back.

    python examples/keras_replayed_order.py --seeds 10 --epochs 10      # minutes; the numbers of docs/compare.md
"""

import argparse
import sys

import minibatch as mb
from minibatch.study.intervals import difference_interval

parser = argparse.ArgumentParser()
parser.add_argument("--seeds", type=int, default=3)
parser.add_argument("--epochs", type=int, default=2)
parser.add_argument("--backend", default="tensorflow")
options = parser.parse_args()


def build(K):
    L = K.layers
    model = K.Sequential([K.Input((64,)), L.Dense(32, activation="relu"), L.Dense(10, activation="softmax")])
    model.compile(K.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


(x, y), (x_test, y_test) = mb.datasets.digits.load_data()
x, x_test = (images.reshape(-1, 64).astype("float32") / 16 for images in (x, x_test))

print("fit(shuffle=True) after set_random_seed(0): the order of eight samples in three epochs")
print("  minibatch        ", *mb.compare.fit_orders("minibatch", n_samples=8, epochs=3))
try:
    print(f"  {'Keras/' + options.backend:<17}", *mb.compare.fit_orders(options.backend, n_samples=8, epochs=3))
except (mb.compare.BackendMissingError, mb.compare.ChildError) as error:
    print(error)
    sys.exit()

found = mb.compare.side_by_side(
    build,
    x,
    y,
    validation_data=(x_test, y_test),
    batch_sizes=[24, 32, 48],
    epochs=options.epochs,
    seeds=range(options.seeds),
    backend=options.backend,
    device="cpu",
    mode="own",
)
print(f"\n{found.table()}\n")

sides = {side.name: side.label for side in found.sides}


def finals(side, size, name):
    return [run.numbers["final"][name] for run in found.of(side, size)]


print("What differs, with 95% intervals over the seeds")
for name in ("final_val_accuracy", "final_loss"):
    words = name.replace("final_", "").replace("_", " ")
    for size in (24, 32, 48):
        mine, theirs = (finals(side, size, name) for side in sides)
        gap = difference_interval(theirs, mine)
        told = "not told apart" if gap.holds_zero else "differ"
        print(f"  {words:<12} library, at {size}:     {gap.mean:+.4f} ({gap.low:+.4f} to {gap.high:+.4f})  {told}")
    small, large = ([v for side in sides for v in finals(side, size, name)] for size in (24, 48))
    gap = difference_interval(large, small)
    told = "not told apart" if gap.holds_zero else "differ"
    print(f"  {words:<12} batch 48 minus 24:  {gap.mean:+.4f} ({gap.low:+.4f} to {gap.high:+.4f})  {told}")

print("\nAnd with as many updates, too (minibatch alone, a step's learning rate the same):")


def trained(size, epochs, seed):
    mb.utils.set_random_seed(seed)
    model = build(mb)
    model.fit(x, y, batch_size=size, epochs=epochs, verbose=0)
    return model.evaluate(x_test, y_test, verbose=0)[1]


seeds = range(4 * options.seeds)
small, large = ([trained(24 * k, k * options.epochs, seed) for seed in seeds] for k in (1, 2))
gap = difference_interval(large, small)
told = "not told apart" if gap.holds_zero else "differ"
print(f"  val accuracy batch 48 minus 24:  {gap.mean:+.4f} ({gap.low:+.4f} to {gap.high:+.4f})  {told}")
