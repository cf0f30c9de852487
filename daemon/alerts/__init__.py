"""Alerts: from events in the event log to messages that reach people and programs."""
