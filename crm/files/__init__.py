"""Stored files: bytes under own ids in the home, names as data."""
