"""Runtimes of streams: threads of this process, or Ray actors."""
