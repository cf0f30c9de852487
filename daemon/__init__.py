"""The process people run: command line, configuration, runtimes, supervision, health and metrics."""
