"""Comparisons by runs: of two models, of a rewrite with its source, of ops with their meaning."""
