"""Uses a trained generator on photographs of any size and any blur."""
