"""Real Keras, on one of its backends. This file, and no other, imports Keras; it runs in a child process only.

The environment it needs is made by ``environment`` before the process starts: what a backend reads once, when it
is imported.
"""

from __future__ import annotations

import importlib
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from minibatch.compare import host
from minibatch.compare.errors import backend_missing, device_missing
from minibatch.compare.libraries import version_of
from minibatch.typing import Array


def environment(backend: str, device: str, precision: str, threads: int | None = None) -> dict[str, str]:
    """Return the environment of a process that is to run Keras.

    Parameters
    ----------
    backend : {"tensorflow", "jax", "torch"}
    device : {"cpu", "gpu", "auto"}
    precision : str
        One of ``job.PRECISIONS``.
    threads : int, optional
        For the backends that are told by the environment. XLA's pool, JAX's, can be switched off and not set.
    """
    values = dict(os.environ) | host.threads_environment(threads)
    if threads is not None:
        values |= {"TF_NUM_INTRAOP_THREADS": str(threads), "TF_NUM_INTEROP_THREADS": str(threads)}
    if threads == 1:
        values["XLA_FLAGS"] = f"{values.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()
    values.pop("PYTHONWARNINGS", None)  # what third parties deprecate is theirs to mend
    values |= {"KERAS_BACKEND": backend}
    values.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # TensorFlow 2.21's oneDNN kernels were seen to write past their memory in small convolutions' gradients.
    values.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    # Each child takes the memory it needs, not all that the card has: they are alive side by side.
    values.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    values.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if device == "cpu":
        values |= {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu", "KERAS_TORCH_DEVICE": "cpu"}
    if precision != "tf32":
        values |= {"NVIDIA_TF32_OVERRIDE": "0"}  # in all of NVIDIA's libraries, whoever calls them
    if backend == "jax":
        values |= {"JAX_DEFAULT_MATMUL_PRECISION": "tensorfloat32" if precision == "tf32" else "highest"}
        values |= {"JAX_ENABLE_X64": "1" if precision == "float64" else "0"}
    return values


def open_keras(backend: str, device: str, precision: str) -> Keras:
    """Import Keras, and return it on the device asked for.

    Raises
    ------
    BackendMissingError
        If Keras or the backend is not installed.
    DeviceMissingError
        If a GPU was asked for and there is none.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for package in (backend, "keras"):
            try:
                importlib.import_module(package)
            except ModuleNotFoundError as error:
                # Only the missing package itself: what it misses in its turn is another error.
                if error.name != package:
                    raise
                raise backend_missing(backend, package) from error
    kinds: dict[str, type[Keras]] = {"tensorflow": OnTensorFlow, "jax": OnJax, "torch": OnTorch}
    return kinds[backend](device, precision)


def _one_by_one(gradient: Callable[[Array, Array], list[Array]], x: Array, y: Array) -> Array:
    """Return each sample's gradient, (N, D), from a function that returns that of one, a piece for each weight."""
    return np.stack([np.concatenate(gradient(x[i : i + 1], y[i : i + 1])) for i in range(len(x))])


class Keras(ABC):
    """Keras on a backend; the subclasses know the backend.

    Parameters
    ----------
    device : {"cpu", "gpu", "auto"}
    precision : str
        One of ``job.PRECISIONS``.
    """

    backend: str

    def __init__(self, device: str, precision: str) -> None:
        self.package: Any = importlib.import_module("keras")
        found = self.package.backend.backend()
        assert found == self.backend, f"Keras came up on {found}, not on {self.backend}"
        self.device, self.precision = device, precision
        self._set_tf32(precision == "tf32")
        floats = "float64" if precision == "float64" else "float32"
        self.package.config.set_floatx(floats)
        # The reader's ~/.keras/keras.json may say otherwise; here, both sides lay images out alike.
        self.package.config.set_image_data_format("channels_last")
        policy = precision if precision.startswith("mixed_") else floats
        self.package.config.set_dtype_policy(policy)
        self.policy = policy
        self.gpus = self._gpus()
        if device == "gpu" and not self.gpus:
            raise device_missing(self.backend, ", ".join(self._devices()) or "nothing")

    @property
    def kind(self) -> str:
        """Where it will run: "gpu" if there is one and it was not declined."""
        return "gpu" if self.gpus and self.device != "cpu" else "cpu"

    def describe(self) -> dict[str, Any]:
        """Return the device's kind and real name, the versions, and what is on and off."""
        on_gpu = self.kind == "gpu"
        versions = {"keras": version_of("keras"), self.backend: self._version()}
        return {
            "kind": self.kind,
            "device": self.gpus[0] if on_gpu else host.processor(),
            "versions": versions | (self._gpu_versions() if on_gpu else {}),
            "driver": host.nvidia_driver() if on_gpu else None,
            "tf32": self.precision == "tf32",
            "dtype_policy": self.policy,
            "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS") if self.backend == "tensorflow" else None,
        }

    def start(self, seed: int) -> None:
        """Forget the models before, and seed everything."""
        self.package.utils.clear_session()
        self.package.utils.set_random_seed(seed)

    def ran_on(self, model: Any) -> str:
        """Return "gpu" if all of the model's weights lie on one, as the backend says it of them."""
        kinds = {self._kind_of(weight.value) for weight in model.weights}
        return "gpu" if kinds == {"gpu"} else "cpu"

    def _loss(self, model: Any, x: Any, y: Any) -> Any:
        return model.compute_loss(x, y, model(x, training=False))

    # What each backend knows ----------------------------------------------------------------------------------

    def _version(self) -> str:
        return str(importlib.import_module(self.backend).__version__)

    @abstractmethod
    def _set_tf32(self, on: bool) -> None:
        """Turn TF32 on or off, where the backend is told so after it was imported."""

    @abstractmethod
    def _gpus(self) -> list[str]:
        """Return the name of each GPU."""

    @abstractmethod
    def _devices(self) -> list[str]:
        """Return the name of every device, for messages."""

    @abstractmethod
    def _gpu_versions(self) -> dict[str, str]:
        """Return the versions of what drives the GPU."""

    @abstractmethod
    def _kind_of(self, value: Any) -> str:
        """Return "gpu" or "cpu": where a tensor lies."""

    @abstractmethod
    def gradients(self, model: Any, x: Array, y: Array) -> Array:
        """Return each sample's gradient: (N, D)."""

    @abstractmethod
    def restart_device_peak(self) -> None:
        """Forget the peak of the device's memory, where the backend can."""

    def device_peak(self) -> int | None:
        """Return the most of the device's memory that was in use, in bytes; None on a processor."""
        return None


class OnTensorFlow(Keras):
    """Keras on TensorFlow."""

    backend = "tensorflow"

    def _set_tf32(self, on: bool) -> None:
        self.tf: Any = importlib.import_module("tensorflow")
        self.tf.config.experimental.enable_tensor_float_32_execution(on)

    def _gpus(self) -> list[str]:
        found = self.tf.config.list_physical_devices("GPU")
        details = self.tf.config.experimental.get_device_details
        return [str(details(gpu).get("device_name", gpu.name)) for gpu in found]

    def _devices(self) -> list[str]:
        return [device.name for device in self.tf.config.list_physical_devices()]

    def _gpu_versions(self) -> dict[str, str]:
        info = self.tf.sysconfig.get_build_info()
        return {name: str(info[f"{name}_version"]) for name in ("cuda", "cudnn") if f"{name}_version" in info}

    def _kind_of(self, value: Any) -> str:
        return "gpu" if ":GPU:" in value.device.upper() else "cpu"

    def gradients(self, model: Any, x: Array, y: Array) -> Array:
        tf = self.tf
        self._loss(model, tf.constant(x[:1]), tf.constant(y[:1]))  # makes the variables that a trace may not make
        variables = [variable.value for variable in model.trainable_variables]

        def gradient(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = self._loss(model, x, y)
            return tape.gradient(loss, variables, unconnected_gradients="zero")

        traced = tf.function(gradient)

        def of_one(x: Array, y: Array) -> list[Array]:
            found = traced(tf.constant(x), tf.constant(y))
            return [tf.convert_to_tensor(g).numpy().reshape(-1) for g in found]

        return _one_by_one(of_one, x, y)

    def restart_device_peak(self) -> None:
        if self.kind == "gpu":
            self.tf.config.experimental.reset_memory_stats("GPU:0")

    def device_peak(self) -> int | None:
        if self.kind != "gpu":
            return None
        return int(self.tf.config.experimental.get_memory_info("GPU:0")["peak"])


class OnJax(Keras):
    """Keras on JAX."""

    backend = "jax"

    def _set_tf32(self, on: bool) -> None:
        self.jax: Any = importlib.import_module("jax")  # told by the environment, which it reads when imported

    def _gpus(self) -> list[str]:
        return [str(d.device_kind) for d in self.jax.devices() if d.platform in ("gpu", "cuda", "rocm")]

    def _devices(self) -> list[str]:
        return [str(device) for device in self.jax.devices()]

    def _gpu_versions(self) -> dict[str, str]:
        platform = self.jax.devices()[0].client.platform_version
        return {"cuda": " ".join(str(platform).split())}

    def _kind_of(self, value: Any) -> str:
        return "gpu" if {d.platform for d in value.devices()} <= {"gpu", "cuda", "rocm"} else "cpu"

    def gradients(self, model: Any, x: Array, y: Array) -> Array:
        jax, keras = self.jax, self.package
        variables = model.trainable_variables

        def loss(values: list[Any], x: Any, y: Any) -> Any:
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return self._loss(model, x[None], y[None])

        values = [variable.value for variable in variables]
        each = jax.jit(jax.vmap(jax.grad(loss), in_axes=(None, 0, 0)))
        chunks = []
        for start in range(0, len(x), 256):
            piece = slice(start, start + 256)
            found = each(values, x[piece], y[piece])
            chunks.append(np.concatenate([np.asarray(g).reshape(len(g), -1) for g in found], axis=1))
        return np.concatenate(chunks)

    def restart_device_peak(self) -> None:
        pass  # JAX has no way to

    def device_peak(self) -> int | None:
        stats = self.jax.devices()[0].memory_stats() if self.kind == "gpu" else None
        return None if stats is None else int(stats["peak_bytes_in_use"])


class OnTorch(Keras):
    """Keras on PyTorch."""

    backend = "torch"

    def _set_tf32(self, on: bool) -> None:
        self.torch: Any = importlib.import_module("torch")
        self.torch.backends.cuda.matmul.allow_tf32 = on
        self.torch.backends.cudnn.allow_tf32 = on

    def _gpus(self) -> list[str]:
        cuda = self.torch.cuda
        if cuda.is_available():
            return [str(cuda.get_device_name(i)) for i in range(cuda.device_count())]
        return ["Apple GPU (mps)"] if self._placed_on() == "mps" else []

    def _placed_on(self) -> str:
        return str(self.package.ops.zeros(()).device.type)

    def _devices(self) -> list[str]:
        return [self._placed_on()]

    def _gpu_versions(self) -> dict[str, str]:
        torch = self.torch
        found = {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
        return {name: str(version) for name, version in found.items() if version}

    def _kind_of(self, value: Any) -> str:
        return "gpu" if value.device.type in ("cuda", "mps", "xpu") else "cpu"

    def gradients(self, model: Any, x: Array, y: Array) -> Array:
        torch, convert = self.torch, self.package.ops.convert_to_tensor
        values = [variable.value for variable in model.trainable_variables]

        def of_one(x: Array, y: Array) -> list[Array]:
            loss = self._loss(model, convert(x), convert(y))
            found = torch.autograd.grad(loss, values, allow_unused=True)
            pairs = zip(values, found, strict=True)
            return [(torch.zeros_like(v) if g is None else g).detach().cpu().numpy().reshape(-1) for v, g in pairs]

        return _one_by_one(of_one, x, y)

    def restart_device_peak(self) -> None:
        if self.kind == "gpu" and self.torch.cuda.is_available():
            self.torch.cuda.reset_peak_memory_stats()

    def device_peak(self) -> int | None:
        if self.kind != "gpu" or not self.torch.cuda.is_available():
            return None
        return int(self.torch.cuda.max_memory_allocated())
