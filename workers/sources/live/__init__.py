"""Live sources: reconnecting, buffering of the freshest frames, watchdogs."""
