"""Dialling hosts that users or strangers name: the address guard and the hardened HTTP client."""
