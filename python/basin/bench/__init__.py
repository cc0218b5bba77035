"""Benchmarks: `python -m basin.bench` rewrite, instrument, gpu and recognize."""
