"""Clips and full frames from encoded packets: MP4 without encoding again where a browser plays it, JPEG."""
