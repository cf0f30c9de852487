"""Edits of the configuration file by the daemon, which leave all that they do not change as it is written."""
