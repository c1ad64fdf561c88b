"""The content of an ONNX file, loaded: on the processor, and on an accelerator that agrees with it.

Accelerators compute in their own order and at times in less precision, and each has drivers that
fail. So the first picture is computed both ways, and whatever goes wrong means the processor.
"""

import os

import numpy as np
import onnxruntime
import onnxruntime.capi.onnxruntime_pybind11_state as ort

PROVIDER = "ExecutionProvider"  # how ONNX Runtime ends each of these names
# The first that is installed. TensorRT is left out: it compiles for minutes, for each size again.
ACCELERATORS = ("CUDA", "MIGraphX", "ROCM", "CoreML", "Dml", "OpenVINO")
OPTIONS = {"CUDA": {"use_tf32": "0"}}  # of 10 bits, which the check would not let pass
HALF_A_LEVEL = 1 / 255  # of a picture in -1..1
SAME_ESTIMATE = 1e-4  # of probabilities: with thousandths, a picture already differs by 4 levels


class Accelerator:
    """The accelerator that replaces the processor for all models of an engine.

    Attributes:
        name: "" where there is none, it failed, or the device is "cpu".
    """

    def __init__(self, device: str) -> None:
        there = onnxruntime.get_available_providers() if device != "cpu" else ()
        self.name = next((name for name in ACCELERATORS if name + PROVIDER in there), "")

    def give_up(self, reason: str) -> None:
        """Lets the processor compute all that follows."""
        print(f"{self.name} {reason}; the processor restores")
        self.name = ""


class Session:
    """A model, which is given one picture at a time.

    Attributes:
        notes: of the ONNX file.
    """

    def __init__(self, model: bytes, accelerator: Accelerator, tolerance: float) -> None:
        """Loads the content of an ONNX file; outputs may differ so much from the processor's."""
        self.model, self.accelerator, self.tolerance = model, accelerator, tolerance
        self.processor = session_of(model, "CPU")
        self.notes: dict[str, str] = dict(self.processor.get_modelmeta().custom_metadata_map)
        self.accelerated: onnxruntime.InferenceSession | None = None
        self.is_checked = False

    def outputs(self, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs for one picture; where memory is full, the error is Python's own."""
        if not self.accelerator.name:
            return outputs_of(self.processor, inputs)
        try:
            self.accelerated = self.accelerated or session_of(self.model, self.accelerator.name)
            outputs = outputs_of(self.accelerated, inputs)
        except Exception as error:  # noqa: BLE001 - each provider has errors of its own
            self.accelerator.give_up(f"failed ({' '.join(str(error).split())[:100]})")
            return outputs_of(self.processor, inputs)
        if self.is_checked:
            return outputs
        expected = outputs_of(self.processor, inputs)
        both = zip(outputs, expected, strict=True)
        difference = np.max([np.abs(got - wanted).max() for got, wanted in both])
        self.is_checked = bool(difference <= self.tolerance)  # not if it is no number
        if not self.is_checked:
            self.accelerator.give_up(f"is wrong by {difference:.2g} ({self.tolerance:.2g} allowed)")
        return outputs if self.is_checked else expected


def session_of(model: bytes, name: str) -> onnxruntime.InferenceSession:
    """The content of an ONNX file, loaded, for all cores that this process may use."""
    options = onnxruntime.SessionOptions()
    if hasattr(os, "sched_getaffinity"):
        options.intra_op_num_threads = len(os.sched_getaffinity(0))
    options.log_severity_level = 4  # what it says is also in its exceptions
    onnxruntime.set_default_logger_severity(4)  # of a provider's start
    options.enable_mem_pattern = name != "Dml"  # which refuses it
    providers = {name + PROVIDER: OPTIONS.get(name, {}), "CPUExecutionProvider": {}}
    session = onnxruntime.InferenceSession(
        model, options, [*providers], [*providers.values()], enable_fallback=0
    )
    if session.get_providers()[0] != name + PROVIDER:
        raise RuntimeError("does not start")
    return session


def outputs_of(
    session: onnxruntime.InferenceSession, inputs: dict[str, np.ndarray]
) -> list[np.ndarray]:
    """The outputs of a model for one picture."""
    try:
        return [output[0] for output in session.run(None, inputs)]
    except (ort.Fail, ort.RuntimeException) as error:
        if "alloc" in str(error):  # "Failed to allocate memory", "std::bad_alloc"
            raise MemoryError from error
        raise
