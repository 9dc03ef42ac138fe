"""What ``keras.layers`` has and ``minibatch.layers`` has not."""

from minibatch.utils.names import NotHere, each

_UP = "UpSampling2D and a Conv2D after it"
_BEFORE = "NumPy, before training"
_NUMBERS = "class numbers of your own, for Embedding or utils.to_categorical"
_CHANGED = "RandomFlip and RandomTranslation"
_SEQUENCES = "nothing; for sequences there are SimpleRNN, Conv1D and Embedding"
_OWN = "a Layer of your own, with forward and backward"
_NO_3D = "has the same options for images; 3D is not here"

NOT_HERE = NotHere(
    "layers",
    {
        **each("LSTM LSTMCell GRU GRUCell SimpleRNNCell RNN StackedRNNCells Bidirectional", "SimpleRNN"),
        **each("ConvLSTM1D ConvLSTM2D ConvLSTM3D", "SimpleRNN over Conv2D's outputs, flattened"),
        **each("Attention AdditiveAttention MultiHeadAttention GroupQueryAttention", _SEQUENCES),
        **each("Conv3D Convolution3D", f"Conv2D, which {_NO_3D}"),
        **each("MaxPooling3D MaxPool3D", f"MaxPooling2D, which {_NO_3D}"),
        **each("AveragePooling3D AvgPool3D", f"AveragePooling2D, which {_NO_3D}"),
        **each("GlobalMaxPooling3D GlobalMaxPool3D", "GlobalMaxPooling2D; 3D is not here"),
        **each("GlobalAveragePooling3D GlobalAvgPool3D", "GlobalAveragePooling2D; 3D is not here"),
        "ZeroPadding3D": "ZeroPadding2D; 3D is not here",
        **each("Conv1DTranspose Convolution1DTranspose Conv2DTranspose Convolution2DTranspose", _UP),
        **each("Conv3DTranspose Convolution3DTranspose", _UP),
        "UpSampling3D": "UpSampling2D; 3D is not here",
        "DepthwiseConv1D": "DepthwiseConv2D on images of height 1, or Conv1D with groups",
        **each("SeparableConv1D SeparableConvolution1D", "SeparableConv2D on images of height 1"),
        **each(
            "AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D",
            "AveragePooling2D with a pool_size of your own, or GlobalAveragePooling2D",
        ),
        **each(
            "AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D",
            "MaxPooling2D with a pool_size of your own, or GlobalMaxPooling2D",
        ),
        **each("Cropping1D Cropping2D Cropping3D CenterCrop Resizing", f"{_BEFORE}: slice or resize the images"),
        **each("SpatialDropout1D SpatialDropout2D SpatialDropout3D AlphaDropout", "Dropout"),
        "GaussianDropout": "GaussianNoise, or Dropout",
        **each("GroupNormalization RMSNormalization UnitNormalization", "LayerNormalization"),
        "SpectralNormalization": "a kernel_regularizer, or the optimizer's clipnorm",
        "ActivityRegularization": "a kernel_regularizer",
        **each("Dot dot", "Multiply and Dense"),
        "EinsumDense": "Dense, which serves every position",
        "TimeDistributed": "Dense, which serves every position by itself",
        "Identity": "Activation('linear')",
        "Lambda": f"{_OWN}, or Activation",
        "Masking": "sequences cut to one length",
        **each("Permute RepeatVector", "Reshape"),
        "ReversibleEmbedding": "Embedding, and Dense on the way back",
        **each("Discretization CategoryEncoding HashedCrossing Hashing", _NUMBERS),
        **each("IntegerLookup StringLookup TextVectorization", _NUMBERS),
        **each("MelSpectrogram STFTSpectrogram", f"{_BEFORE}: numpy.fft"),
        **each("AugMix AutoContrast ContrastLimitedAdaptiveHistogramEqualization CutMix Equalization", _CHANGED),
        **each("MaxNumBoundingBoxes MixUp RandAugment RandomBrightness RandomColorDegeneration", _CHANGED),
        **each("RandomColorJitter RandomContrast RandomCrop RandomElasticTransform RandomErasing", _CHANGED),
        **each("RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective", _CHANGED),
        **each("RandomPosterization RandomRotation RandomSaturation RandomSharpness RandomShear", _CHANGED),
        **each("RandomZoom Solarization", _CHANGED),
        **each("FlaxLayer JaxLayer TFSMLayer TorchModuleWrapper", f"{_OWN}; no other library runs inside"),
        **each("Pipeline Wrapper", "Sequential"),
        "InputSpec": "a Layer, whose output_shape_for refuses a shape",
        "serialize": "layer.get_config(), and model.to_json()",
        "deserialize": "a layer's class .from_config(config), and models.model_from_json(text)",
    },
    {
        **each("core convolutional", "minibatch.layers itself: from minibatch.layers import Dense, Conv2D"),
        **each(
            "embeddings merge local wrappers", "minibatch.layers itself: from minibatch.layers import Embedding"
        ),
        "advanced_activations": "minibatch.layers itself: from minibatch.layers import LeakyReLU",
        "experimental": "minibatch.layers itself: layers.Rescaling for layers.experimental.preprocessing.Rescaling",
        **each("CuDNNLSTM CuDNNGRU", "'LSTM' and 'GRU', which this library has not; the nearest here is SimpleRNN"),
        **each("BatchNormalizationV1 BatchNormalizationV2", "BatchNormalization"),
        **each("MaxoutDense Highway", "Dense"),
        "Merge": "Concatenate, Add, Multiply, Average or Maximum",
    },
)
