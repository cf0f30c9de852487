"""Publishing of events: first to a log on disk, then to a Redis stream, each event exactly once."""
