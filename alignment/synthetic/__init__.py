"""Synthetic training data: captions from a grammar, and composed streams of clips and words."""
