"""Measures what docs/benchmarks.md claims, one command for each claim: `python -m benchmarks [name...]`."""
