"""What is decided about alerts and what became of them, in one SQLite database: the outbox."""
