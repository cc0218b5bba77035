"""The recognition matrix: what Basin and its peers find in exports of many architectures."""
