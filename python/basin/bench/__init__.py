"""Benchmarks: `python -m basin.bench rewrite` measures rewriting of large models on disk."""
