"""Sources that are decoded in a separate process under resource limits."""
