"""Publishing to a Redis stream, reading it back, and erasing from it."""
