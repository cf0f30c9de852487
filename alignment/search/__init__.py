"""Stored embeddings: their files, exact retrieval over them, and the recorder that writes them."""
