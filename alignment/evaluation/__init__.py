"""Scores of detected events against annotations: matching, metrics, ranking, reliability, reports."""
