"""Owns the rule language: one way to say which people are meant, for segments, lists, offers and reports."""
