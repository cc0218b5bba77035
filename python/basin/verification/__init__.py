"""Comparisons by runs: of two models, of a rewrite with its source, of forms with meanings."""
