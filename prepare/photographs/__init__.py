"""Photographs as files: reads every kind a camera, a telephone or an editor writes, writes PNG.

`reader` finds photographs in folders, and turns any file into upright sRGB or says why it cannot;
`writer` writes a restored photograph. Nothing in here imports TensorFlow or OpenCV.
"""
