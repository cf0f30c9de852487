"""Personal data: its kinds, their retention, and how `watchword forget` removes them."""
