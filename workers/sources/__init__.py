"""Sources of frames and audio: files, live streams and a test pattern, behind one Protocol."""
