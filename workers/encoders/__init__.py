"""From frames and texts to embeddings: one module a profile, behind one Protocol and a lazy registry."""
