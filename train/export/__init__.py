"""The trained generator in other formats."""
