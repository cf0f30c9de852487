"""Checks across several values of a configuration."""
