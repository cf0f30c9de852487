"""Services that all streams share: encoder, aligner, publisher; their clients, batching and scheduling."""
