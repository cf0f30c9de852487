"""The HTTP proxy between FFmpeg and remote servers: limits, allowed hosts, rewritten playlists."""
