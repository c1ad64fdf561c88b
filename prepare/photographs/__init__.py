"""Photographs as files: reads every kind a camera, a telephone or an editor writes, writes PNG.

`reader` turns any file into upright sRGB or says why it cannot; `writer` puts a restored
photograph beside what the file held; `listing` finds photographs in folders. Both commands use
it: nothing in here imports TensorFlow or OpenCV.
"""
