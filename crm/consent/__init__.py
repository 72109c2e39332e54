"""Consent events, legal basis, suppression."""
