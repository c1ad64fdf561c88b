"""Drawn portraits (sitter, skin, features, hair, clothes, backdrop) and scenes of dead leaves."""
