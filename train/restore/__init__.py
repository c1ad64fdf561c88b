"""Uses a trained generator: on photographs of any size, and in formats of other programs."""
