"""Ray actors around the services and streams, and the Ray transport of their clients: the only use of Ray here."""
