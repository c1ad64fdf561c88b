"""The content of an ONNX file, loaded: on the processor, and on an accelerator that agrees with it.

Accelerators compute in their own order and at times in less precision, and each has drivers that
fail. So the first picture is computed both ways, and whatever goes wrong means the processor.
"""

import os

import numpy as np
import onnxruntime
import onnxruntime.capi.onnxruntime_pybind11_state as ort

PROCESSOR = "CPUExecutionProvider"
# The first that the installed ONNX Runtime has, with its options. TensorRT is left out: it compiles
# for minutes, and again for each size of a tile.
ACCELERATORS: dict[str, dict[str, str]] = {
    "CUDAExecutionProvider": {"use_tf32": "0"},  # of 10 bits, which the check would not let pass
    "MIGraphXExecutionProvider": {},
    "ROCMExecutionProvider": {},
    "CoreMLExecutionProvider": {},
    "DmlExecutionProvider": {},
    "OpenVINOExecutionProvider": {},
}
HALF_A_LEVEL = 1 / 255  # of a picture in -1..1
# Of probabilities: with thousandths, a picture already differs by 4 levels.
SAME_ESTIMATE = 1e-4


class Accelerator:
    """The accelerator that replaces the processor for all models of an engine.

    Attributes:
        name: of ONNX Runtime's provider; "" where there is none, it failed, or it is refused.
    """

    def __init__(self, device: str) -> None:
        """Takes the first that is there, unless the device is "cpu"."""
        there = onnxruntime.get_available_providers() if device != "cpu" else ()
        self.name = next((name for name in ACCELERATORS if name in there), "")

    def give_up(self, reason: str) -> None:
        """Lets the processor compute all that follows."""
        print(f"{self.name.removesuffix('ExecutionProvider')} {reason}; the processor restores")
        self.name = ""


class Session:
    """A model, which is given one picture at a time.

    Attributes:
        notes: of the ONNX file.
    """

    def __init__(self, model: bytes, accelerator: Accelerator, tolerance: float) -> None:
        """Loads the content of an ONNX file; outputs may differ so much from the processor's."""
        self.model, self.accelerator, self.tolerance = model, accelerator, tolerance
        self.processor = session_of(model, PROCESSOR)
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
            reason = " ".join(str(error).split())[:100] or type(error).__name__
            self.accelerator.give_up(f"failed ({reason})")
            return outputs_of(self.processor, inputs)
        if self.is_checked:
            return outputs
        expected = outputs_of(self.processor, inputs)
        both = zip(outputs, expected, strict=True)
        difference = np.max([np.abs(got - wanted).max() for got, wanted in both])
        if not difference <= self.tolerance:  # or is no number
            self.accelerator.give_up(f"is wrong by {difference:.2g} ({self.tolerance:.2g} allowed)")
            return expected
        self.is_checked = True
        return outputs


def session_of(model: bytes, provider: str) -> onnxruntime.InferenceSession:
    """The content of an ONNX file, loaded, for all cores that this process may use."""
    options = onnxruntime.SessionOptions()
    if hasattr(os, "sched_getaffinity"):
        options.intra_op_num_threads = len(os.sched_getaffinity(0))
    options.log_severity_level = 4  # what it says is also in its exceptions
    onnxruntime.set_default_logger_severity(4)  # of a provider's start
    providers = {provider: ACCELERATORS.get(provider, {}), PROCESSOR: {}}
    options.enable_mem_pattern = provider != "DmlExecutionProvider"  # which refuses it
    session = onnxruntime.InferenceSession(
        model, options, [*providers], [*providers.values()], enable_fallback=0
    )
    if session.get_providers()[0] != provider:
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
