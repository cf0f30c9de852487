"""Decisions on the index: a stream replayed item by item, or at once where all probabilities are final."""
