"""Summaries: the telling moments of a day of the cameras or of a file, as a timeline and as a short video."""
