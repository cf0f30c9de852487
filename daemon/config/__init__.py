"""The configuration: one YAML file, validated as a whole. Every mistake is reported with its line."""

from daemon.config.editor_schema import json_schema
from daemon.config.errors import ConfigError, Problem
from daemon.config.identity import config_hash
from daemon.config.loader import config_from, load_config
from daemon.config.schema import Config

__all__ = ["Config", "ConfigError", "Problem", "config_from", "config_hash", "json_schema", "load_config"]
