"""Decisions of imports as pure functions: reading a file, guessing columns, reading a row."""
