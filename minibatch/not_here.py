"""What ``keras`` has at the top and ``minibatch`` has not."""

from minibatch.utils.names import NotHere, each

_ARRAYS = "NumPy itself, and layers of your own with forward and backward"
_FLOATS = "minibatch.config.set_floatx, one float type for everything"

NOT_HERE = NotHere(
    "",
    {
        "Function": "minibatch.Model(inputs, outputs)",
        "InputSpec": "minibatch.layers.Layer, whose output_shape_for refuses a shape",
        "KerasTensor": "what minibatch.Input returns",
        "Operation": "minibatch.layers.Layer",
        "Variable": "minibatch.layers.Weight",
        "applications": "nothing that is trained already; small networks in examples/",
        "constraints": "minibatch.regularizers, or a callback that sets the weights",
        "device": "nothing; everything runs on the processor",
        "distribution": "nothing; everything runs in one process",
        "distillation": "minibatch.losses.KLDivergence between two models' outputs",
        "export": "model.save",
        "name_scope": "a layer's name=",
        "ops": _ARRAYS,
        "random": "numpy.random.default_rng, and minibatch.utils.set_random_seed",
        "tree": "lists and dicts of arrays, which fit takes",
        "version": "minibatch.__version__",
        "visualization": "minibatch.plots",
        "wrappers": "minibatch.Sequential in an estimator class of your own",
        **each("DTypePolicy FloatDTypePolicy dtype_policies mixed_precision", _FLOATS),
        **each("Quantizer quantizers", "nothing; weights are float32 or float64"),
        **each("RematScope remat", "nothing; what a training step keeps for its backward pass is kept whole"),
        **each("StatelessScope SymbolicScope", "layer.forward, which keeps nothing between calls"),
        "legacy": "minibatch.models, which reads legacy .h5 files, too",
    },
    {
        "np_utils": "minibatch.utils.to_categorical",
        "objectives": "minibatch.losses",
        "engine": "minibatch.models and minibatch.layers",
        "estimator": "minibatch.Model with fit",
        "experimental": "minibatch.layers and minibatch.optimizers",
    },
)
