"""Aligners: score a window of clips and utterances against described events."""
