"""Filodiretto: a self-hosted relationship and one-to-one outreach manager."""
