"""One module per command; each has a Typer called ``app``."""
