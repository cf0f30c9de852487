"""Implementation of `watchword tag`: process files with a runtime, export the results."""
