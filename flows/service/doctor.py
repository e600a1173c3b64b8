"""`hsrl doctor`: everything that a night needs, looked at beforehand; nothing is changed."""

from pathlib import Path
from typing import Any

from flows.runtime.extras import missing_extra
from flows.service.checks import Check, extras, versions
from flows.service.prefect_checks import prefect
from flows.service.warehouse_checks import warehouse
from pipeline.errors import ConfigError


def examine(config: Path | None, root: Path, api: str) -> dict[str, Any]:
    """Every check, in an order in which a person would mend them.

    Args:
        config: the configuration's file; None = HSRL_CONFIG, or it is not looked at.
        root: the warehouse's folder.
        api: where a Prefect server is looked for.

    Returns:
        ``status`` (the worst of all: OK, WARN or FAIL) and ``checks``, as plain values.
    """
    checks = [*versions(), *extras(), *configuration(config, root), *warehouse(root), *prefect(api, root)]
    statuses = [check.status for check in checks]
    worst = next(status for status in ("FAIL", "WARN", "OK") if status in statuses)
    return {"status": worst, "checks": [vars(check) for check in checks]}


def configuration(config: Path | None, root: Path) -> list[Check]:
    """Whether it loads, and whether anyone is notified."""
    try:
        from flows.runtime.settings import load_settings

        settings = load_settings(config, root)
    except ConfigError as error:
        is_unnamed = str(error).startswith("no configuration")
        return [Check("configuration", "WARN" if is_unnamed else "FAIL", str(error), "name or mend it")]
    except ModuleNotFoundError as error:
        line = missing_extra(error, "the configuration")
        if line is None:
            raise
        return [Check("configuration", "WARN", "not looked at", line)]
    alerts = settings.alerts
    notified = [*(["a webhook"] if alerts.webhook else []), *([alerts.command[0]] if alerts.command else [])]
    if notified:
        who = Check("alerts", "OK", f"{' and '.join(notified)} of: {', '.join(alerts.on)}")
    else:
        mend = "set HSRL_ALERTS__WEBHOOK, or command in [alerts] (docs/nights.md)"
        who = Check("alerts", "WARN", "nobody is notified when a night fails", mend)
    return [Check("configuration", "OK", f"source {settings.source.name}"), who]
