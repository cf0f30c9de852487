"""The index: what every stream saw and heard, as the features that it decided on; written beside the streams."""
