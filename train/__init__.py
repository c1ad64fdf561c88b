"""From matched folders to a network that restores; no OpenCV here."""


class TrainError(RuntimeError):
    """A stage of training or restoring cannot go on; the message says what to do next."""
