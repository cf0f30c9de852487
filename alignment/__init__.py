"""Numbers in, numbers out: scores of clips against described events, and the spans they decide."""
