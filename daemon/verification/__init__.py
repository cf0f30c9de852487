"""A second opinion on events: a vision-language model looks at their pictures, and its verdict goes into the log."""
