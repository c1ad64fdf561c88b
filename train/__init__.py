"""From matched folders to a network that restores; no OpenCV here."""

import os

# ONNX Runtime reports its use to its makers, from 1.29 on and on every system. It is told not to
# here, since it asks once, when it is loaded, and nothing that loads it is loaded before this.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


class TrainError(RuntimeError):
    """A stage of training or restoring cannot continue; the message says what to do next."""
