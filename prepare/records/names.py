"""Which files are taken for photographs."""

# Endings of their names, in any case.
PHOTOGRAPH_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
