"""From matched folders to a network that restores; no OpenCV here."""
