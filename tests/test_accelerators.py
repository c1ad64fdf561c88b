"""Accelerators of ONNX Runtime, played by a stand-in that computes on the processor."""

import numpy as np
import onnxruntime
import pytest
from helpers.command_line import run
from helpers.pair_files import write_photos
from PIL import Image

NAME, RealSession = "CUDAExecutionProvider", onnxruntime.InferenceSession
WRONG = {"picture": (1.1 / 255, 0), "estimate": (0, 1.1e-4), "is no number": (0, np.nan)}
FAILED = "CUDA failed (no kernel image is available); the processor restores"


def restored(photo, name, *words):
    """The pixels of a restored photograph, and the lines before the one about its blur."""
    out = photo.parent / name
    lines = run("deblur", photo, "--out", out, *words).stdout.splitlines()
    return np.asarray(Image.open(out / "a.png"), np.int16), lines[1:-1]


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("agrees", None),
        ("picture", "CUDA is wrong by 0.0043 (0.0039 allowed); the processor restores"),
        ("estimate", "CUDA is wrong by 0.00011 (0.0001 allowed); the processor restores"),
        ("is no number", "CUDA is wrong by nan (0.0001 allowed); the processor restores"),
        ("fails", FAILED),
        ("fails later", FAILED),
        ("does not start", "CUDA failed (does not start); the processor restores"),
    ],
)
def test_an_accelerator_restores_as_long_as_it_agrees(tmp_path, monkeypatch, case, said):
    photo, asked = write_photos(tmp_path, ["a.png"], height=200) / "a.png", []
    expected, lines = restored(photo, "expected")
    assert lines == []

    class Session(RealSession):
        def __init__(self, model, options, providers, *_, **named):
            super().__init__(model, options, ["CPUExecutionProvider"], **named)
            self.of_name = providers[0]

        def get_providers(self):
            return [self.of_name] if case != "does not start" else ["CPUExecutionProvider"]

        def run(self, *arguments):
            outputs = super().run(*arguments)
            if self.of_name != NAME:
                return outputs
            asked.append(self)
            if case == "fails" or (case == "fails later" and len(asked) > 3):
                raise RuntimeError("no kernel\nimage is available")
            added = WRONG.get(case, (0.4 / 255 if case == "agrees" else 0, 0))
            return [each + np.float32(added[each.shape[-1] != 3]) for each in outputs]

    there = ["OpenVINOExecutionProvider", NAME, "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: there)
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    assert np.array_equal(restored(photo, "refused", "--device", "cpu")[0], expected)
    assert asked == []
    got, lines = restored(photo, "got")
    assert lines == ([said] if said else [])
    assert np.abs(got - expected).max() <= (case == "agrees")
    assert bool(asked) == (case != "does not start")
