"""Benchmarks: `python -m basin.bench` rewrite, instrument and gpu."""
