"""From nothing to matched folders of sharp and lens-blurred photographs; no TensorFlow here."""


class PrepareError(RuntimeError):
    """A stage of the preparation cannot continue; the message says what to do next."""
