"""config.toml and secrets from the environment -> Config.

Strict: an unknown key, a wrong type or an impossible value is a ConfigError that names the file, the key and, for an
unknown key, the nearest known one. Paths are relative to the config file. Secrets never come from the file.
"""

from digest.config.loaded import Config
from digest.config.loading import load
from digest.config.sections import ConfigFile, DeliveryConfig, FetchConfig, SignupConfig, SmtpConfig

DEFAULT_FILE = "config.toml"

__all__ = [
    "DEFAULT_FILE",
    "Config",
    "ConfigFile",
    "DeliveryConfig",
    "FetchConfig",
    "SignupConfig",
    "SmtpConfig",
    "load",
]
