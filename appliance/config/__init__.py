"""Settings: one frozen value, made once from every source and passed inward.

A setting has one name everywhere: ``listen_http`` in ``appliance.toml``, ``APPLIANCE_LISTEN_HTTP``
in the environment, ``--listen-http`` on the command line. A flag beats a variable, a variable
beats the file, the file beats the default. Everything that is wrong is reported at once.
"""

from appliance.config.load import (
    Problem,
    SettingInForce,
    SettingsError,
    find_data_dir,
    flag,
    in_force,
    load,
    variable,
)
from appliance.config.parse import Address
from appliance.config.settings import Settings, control_socket

__all__ = [
    "Address",
    "Problem",
    "SettingInForce",
    "Settings",
    "SettingsError",
    "control_socket",
    "find_data_dir",
    "flag",
    "in_force",
    "load",
    "variable",
]
