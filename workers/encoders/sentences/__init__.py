"""Sentence embeddings: MiniLM for English, E5 for a hundred languages."""
