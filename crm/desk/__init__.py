"""Pages that put everything about a person or a day on one screen."""
