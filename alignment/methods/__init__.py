"""The methods that can be compared with ours: fusions, encoders, heads and baselines, chosen by name."""
