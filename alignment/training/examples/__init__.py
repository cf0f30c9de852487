"""Training examples: annotated videos and feature files, batches, and augmentation."""
