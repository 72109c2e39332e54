"""Saved rules and who they find."""
