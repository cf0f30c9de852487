"""Snapshot of the whole daemon, and health checks and metrics computed from it."""
