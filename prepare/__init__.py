"""From nothing to matched folders of sharp and lens-blurred photographs; no TensorFlow here."""
