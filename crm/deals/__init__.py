"""Deals: pipelines with stages, what may be sold to whom, and what came of it."""
