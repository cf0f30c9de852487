"""One stream from source to published events: worker, pipeline, segments, rules."""
