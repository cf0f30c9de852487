"""Model catalogue, download, local folders, and the options and device a model is loaded with."""
