"""What ``watchword check`` finds out beyond the rules of the configuration file."""
