"""Trying a rule on what the index keeps: the decisions that live operation would have made."""
