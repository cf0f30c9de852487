"""Object detectors: which people, vehicles and things a frame shows, and where."""
