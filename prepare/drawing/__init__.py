"""The parts of a drawn portrait: sitter, skin, features, hair, clothes and what stands behind."""
