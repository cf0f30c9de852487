"""Routes about what was recorded: search, questions, summaries, backtests, uploads."""
