"""The event log on disk: every event enters it before it is published."""
