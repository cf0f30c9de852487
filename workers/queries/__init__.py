"""From the description of an event to a query: modality, keywords, embeddings."""
