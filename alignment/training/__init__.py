"""Training: losses, optimisers, augmentation and the loop that joins them."""
