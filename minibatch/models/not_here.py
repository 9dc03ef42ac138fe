"""What Keras's models have, as methods and attributes, and these have not."""

from minibatch.utils.names import NotHere, each

_STEP = "train_step, test_step and predict_on_batch, which work in NumPy"
_LAYER = "forward and backward of a Layer of your own"
_ONE_DTYPE = "minibatch.config.floatx(), one float type for everything"
_CONFIG = "get_config and from_config, save and load_model"

NOT_HERE = NotHere(
    "Model",
    {
        "metrics_variables": "weights, and a metric's own variables",
        **each("metrics compiled_metrics", "evaluate(..., return_dict=True), and the metrics handed to compile"),
        **each("compute_metrics get_metrics_result", "evaluate(x, y, return_dict=True)"),
        "compiled_loss": "loss",
        **each("compute_loss stateless_compute_loss", "loss_and_gradient, or test_on_batch"),
        **each("add_loss losses", "loss=, and a layer's regularizers"),
        "add_metric": "metrics= of compile",
        **each("add_weight add_variable", "add_weight of a Layer of your own"),
        **each("call stateless_call symbolic_call quantized_call rematerialized_call", _LAYER),
        **each("compute_output_shape compute_output_spec", "output_shape"),
        **each("compute_mask supports_masking", "sequences cut to one length; there are no masks"),
        **each("dtype_policy compute_dtype input_dtype variable_dtype", _ONE_DTYPE),
        **each("build_from_config get_build_config compile_from_config get_compile_config", _CONFIG),
        **each("load_own_variables save_own_variables", "load_weights and save_weights"),
        **each("get_state_tree set_state_tree", "get_weights and set_weights, and optimizer.state_dict"),
        **each("make_predict_function make_test_function make_train_function predict_step", _STEP),
        **each("jit_compile run_eagerly", "nothing; every step runs as it is written"),
        **each("distribute_reduction_method distribute_strategy", "nothing; everything runs in one process"),
        **each("quantize quantized_build quantization_mode get_quantization_layer_structure", _ONE_DTYPE),
        "export": "save",
        "input_spec": "input_shape",
        "path": "name",
    },
    {
        **each("fit_generator train_generator", "fit, which takes generators"),
        "evaluate_generator": "evaluate, which takes generators",
        "predict_generator": "predict, which takes generators",
        "predict_classes": "predict(x).argmax(axis=-1)",
        "predict_proba": "predict",
        "to_yaml": "to_json",
        "updates": "nothing; a layer's averages move in its forward pass",
    },
)
