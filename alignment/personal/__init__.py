"""What people say of events: a small head over frozen features that corrects one event's probability."""
