"""Where events go: a spool on disk first, then a Redis stream, each event exactly once."""
