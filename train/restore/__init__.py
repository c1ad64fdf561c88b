"""Uses a trained generator: on photographs of any size, and in formats of other programs."""

import os

# ONNX Runtime reports its use to its makers, from 1.29 on and on every system. It is told not to
# here, since it asks once, when it is loaded, and nothing of this package is loaded before this.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
