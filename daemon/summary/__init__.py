"""Summaries: the telling moments of a day of the cameras, or of a file, in words, as a timeline and as a short video."""
