"""Photographs as files: reads what cameras, phones and editors write, and writes PNG.

`reader` finds photographs in folders, and reads any file as upright sRGB or gives the reason why it
cannot. `writer` writes a restored photograph. Nothing here imports TensorFlow or OpenCV.
"""
