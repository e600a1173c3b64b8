"""Where the warehouse is; light, as every command asks it first."""

import os
from pathlib import Path

PREFIX = "HSRL_"
# Read before the configuration is: where things are, not what is done with them.
PLACES = frozenset({"HSRL_SHARED", "HSRL_WAREHOUSE", "HSRL_CONFIG"})


def warehouse_path(given: Path | None) -> Path:
    """The warehouse's folder: the argument, else HSRL_WAREHOUSE, else ./warehouse.

    Raises:
        ConfigError: an unknown variable, which may be this one misspelt.
    """
    if any(name.upper().startswith(PREFIX) and name.upper() not in PLACES for name in os.environ):
        from flows.runtime.settings import refuse_unknown_variables  # it knows every section, which takes a while to import

        refuse_unknown_variables(os.environ)
    return (given or Path(os.environ.get("HSRL_WAREHOUSE", "warehouse"))).absolute()
