"""Implementation of `watchword eval`: scores of predictions, and plots."""
