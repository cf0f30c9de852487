"""The sections of the configuration file, one model per section."""
