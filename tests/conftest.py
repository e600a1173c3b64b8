"""What all tests share; help that is more than a fixture lies in tests/support."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.support.logs import Log

# Cores are shared with other work: a deadline would measure them, not the code.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")


@pytest.fixture
def log(tmp_path: Path) -> "Log":
    """A small log without any file yet."""
    from tests.support.logs import Log  # flows are slow to import, and most tests need none

    return Log(tmp_path)
