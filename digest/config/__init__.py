"""The configuration: config.toml, and secrets from the environment.

Strict: an unknown key, a wrong type or an impossible value is a ConfigError that names the file, the key and, for an
unknown key, the nearest known one.
"""

from digest.config.loading import Config, load
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
