"""Rules over time of live cameras: from events in the event log to events that are made of them."""
