"""Commands around a configuration: write it, check it, examine the machine, list models, print schemas."""
