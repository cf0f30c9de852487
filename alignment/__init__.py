"""Scores of clips against described events, and spans decided from the scores. Arrays only, no I/O."""
