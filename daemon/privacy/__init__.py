"""What is kept about people: which kinds of data there are, how long they stay, and how they are forgotten."""
