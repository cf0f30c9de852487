"""The running daemon: life cycle, supervisor, shutdown, state folder, overload, uploads."""
