"""Methods to compare ours with: fusions, sequence encoders, heads and baselines, chosen by name."""
