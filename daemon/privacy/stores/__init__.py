"""One store for each kind of stored data: what it holds, what is too old, and its removal."""
