"""Where frames and sound come from: files, live streams, a test pattern; all behind one Protocol."""
