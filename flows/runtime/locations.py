"""Where the warehouse is; light, as every command asks it first."""

import os
from pathlib import Path

PREFIX = "HSRL_"
# Read before the configuration is: where things are and how lines are written, not what is done with them.
LOCATIONS = frozenset({"HSRL_SHARED", "HSRL_WAREHOUSE", "HSRL_CONFIG", "HSRL_LOG"})


def warehouse_path(given: Path | None) -> Path:
    """The warehouse's folder: the argument, else HSRL_WAREHOUSE, else ./warehouse.

    Raises:
        ConfigError: an unknown variable, which may be this one misspelt.
    """
    if any(name.upper().startswith(PREFIX) and name.upper() not in LOCATIONS for name in os.environ):
        from flows.runtime.setting_faults import refuse_unknown_variables  # every section takes a while to import
        from flows.runtime.settings import Settings

        refuse_unknown_variables(os.environ, Settings)
    return (given or Path(os.environ.get("HSRL_WAREHOUSE", "warehouse"))).absolute()
