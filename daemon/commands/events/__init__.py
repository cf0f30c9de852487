"""``watchword events``: reading published events on the command line."""
