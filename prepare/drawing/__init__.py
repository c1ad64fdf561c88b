"""Drawn portraits: sitter, skin, features, hair, clothes and what stands behind."""
