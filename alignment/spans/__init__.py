"""From probabilities over time to spans: the tracker, false-alert budgets, scene changes, event ids."""
