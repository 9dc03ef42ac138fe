"""What ``keras.utils`` has and ``minibatch.utils`` has not."""

from minibatch.utils.names import NotHere, each

_CUSTOM = "load_model(path, custom_objects={'Mine': Mine}); nothing is registered"
_LOGGING = "verbose= of fit, evaluate and predict"
_FILES = "image_dataset_from_directory, a PyDataset, or arrays of your own"
_PILLOW = "Pillow: numpy.asarray(PIL.Image.open(path))"
_TUPLE = "a tuple (x, y, sample_weight), which fit takes as it is"

NOT_HERE = NotHere(
    "utils",
    {
        **each("CustomObjectScope custom_object_scope get_custom_objects", _CUSTOM),
        **each("get_registered_name get_registered_object register_keras_serializable", _CUSTOM),
        "serialize_keras_object": "serialize of the room: minibatch.losses.serialize",
        "deserialize_keras_object": "deserialize of the room: minibatch.losses.deserialize",
        **each("disable_interactive_logging enable_interactive_logging is_interactive_logging_enabled", _LOGGING),
        "Config": "a dict",
        "FeatureSpace": "the layers Normalization and Embedding, and utils.to_categorical",
        **each("audio_dataset_from_directory text_dataset_from_directory", _FILES),
        "timeseries_dataset_from_array": "numpy.lib.stride_tricks.sliding_window_view, and Batches",
        **each("array_to_img img_to_array load_img save_img", _PILLOW),
        "bounding_boxes": "nothing; there are no boxes here",
        "get_file": "urllib.request.urlretrieve; nothing is downloaded here",
        "get_source_inputs": "model.graph.inputs",
        "is_keras_tensor": "isinstance(x, type(minibatch.Input((1,))))",
        "legacy": "minibatch.utils itself",
        "model_to_dot": "plot_model, which needs no Graphviz",
        **each("pack_x_y_sample_weight unpack_x_y_sample_weight", _TUPLE),
        "standardize_dtype": "numpy.dtype(dtype).name",
    },
    {
        "np_utils": "minibatch.utils itself: utils.to_categorical",
        **each("generic_utils data_utils layer_utils vis_utils io_utils", "minibatch.utils itself"),
        "multi_gpu_model": "nothing; everything runs on the processor",
        "HDF5Matrix": "an h5py dataset, which fit takes as it is",
    },
)
