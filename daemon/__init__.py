"""The daemon: command line, configuration, runtimes, supervision, health checks and metrics."""
