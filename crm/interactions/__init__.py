"""The timeline and tasks."""
