"""Search of what cameras and uploads recorded in the index: by words, by a picture, by an event like it."""
