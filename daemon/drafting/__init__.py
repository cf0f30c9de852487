"""Drafts of a configuration: from answers or from another program's configuration to a file with comments."""
