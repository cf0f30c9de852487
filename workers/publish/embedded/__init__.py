"""The embedded Valkey server: start, restart, and repair of its append-only file."""
