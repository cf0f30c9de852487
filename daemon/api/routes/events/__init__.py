"""Routes about events: the events of the log as pages and as a stream, their media, feedback, alerts."""
