"""From the features of one stream to its events: segments, rules, budgets, and what is published of them."""
