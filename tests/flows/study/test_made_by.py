"""A page says with which command, code and settings it can be made again, and nothing that is nobody's business."""

import re

from flows.study.made_by import made_by


def test_overrides_stand_before_the_command_and_secrets_do_not() -> None:
    environment = {
        "HSRL_SIDS__VOCABULARY": "64",
        "HSRL_EVALUATION__N_SESSIONS": "300",
        "HSRL_ALERTS__WEBHOOK": "https://secret",
        "HSRL_TRAINING__N_PROCESSES": "1",
        "HSRL_SHARED": "/somewhere",
        "HOME": "/root",
    }
    line = made_by("reproduce table2 --seeds 3", 7, environment)
    assert line.startswith("`HSRL_EVALUATION__N_SESSIONS=300 HSRL_SIDS__VOCABULARY=64 hsrl reproduce table2 --seeds 3`, hsrl ")
    assert re.search(r", torch \d+\.\d+\S*, release 7; \d{4}-\d\d-\d\d, \d+ cores$", line)
    assert "secret" not in line and "somewhere" not in line and "N_PROCESSES" not in line
