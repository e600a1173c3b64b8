"""What a check of `hsrl doctor` says, and those of the machine: versions, extras, clock."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from flows.runtime.extras import EXTRA_OF, needs

Status = Literal["OK", "WARN", "FAIL"]
ROOT = Path(__file__).resolve().parents[2]
# A clock may differ from that of another machine by so much.
_CLOCK_SLACK = timedelta(minutes=5)
# A nightly warehouse whose newest release is older has missed nights.
_NIGHTS_MISSED = timedelta(days=2)
_FEW = 4  # names that a finding lists
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)((?:==|>=|<=|<|>|!=)[^;\s\\]*)")


@dataclass(frozen=True)
class Check:
    """A finding of the doctor.

    Attributes:
        name: what was looked at.
        status: OK; WARN, which a person may leave so; FAIL, with which a night will not go well.
        finding: what is so.
        mend: what to do; empty where there is nothing.
    """

    name: str
    status: Status
    finding: str
    mend: str = ""


def versions(root: Path = ROOT) -> list[Check]:
    """Installed packages against constraints.txt (a pin has a reason: FAIL) and requirements.lock (what was tested: WARN)."""
    mend = "make install, or: pip install -c constraints.txt -e '.[dev]'"
    found = []
    for name, status in (("constraints.txt", "FAIL"), ("requirements.lock", "WARN")):
        if not (root / name).is_file():
            found.append(Check(name, "OK", f"not here: hsrl is not run from a checkout ({root})"))
            continue
        wanted = requirements((root / name).read_text(encoding="utf-8").splitlines())
        installed = {package: installed_version(package) for package in wanted}
        wrong = [
            f"{package} {have}, expected {wanted[package]}"
            for package, have in installed.items()
            if have is not None and not satisfies(have, wanted[package])
        ]
        n = sum(have is not None for have in installed.values())
        if wrong:
            found.append(Check(name, "FAIL" if status == "FAIL" else "WARN", f"{len(wrong)} of {n}: {_some(wrong)}", mend))
        else:
            found.append(Check(name, "OK", f"{n} installed packages fit"))
    return found


def requirements(lines: Iterable[str]) -> dict[str, str]:
    """Package → its bounds, such as ``>=2.0,<2.1``; comments, hashes and options are left out."""
    found = (_REQUIREMENT.match(line) for line in lines)
    return {match[1]: match[2] for match in found if match}


def installed_version(package: str) -> str | None:
    """The version that is installed; None = it is not."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def satisfies(have: str, bounds: str) -> bool:
    """Whether a version is within bounds, by its numbers: ``2.13.0+cpu`` is ``==2.13.0``.

    >>> satisfies("2.0.51", ">=2.0,<2.1"), satisfies("2.1.0", ">=2.0,<2.1")
    (True, False)
    """
    return all(_within(_numbers(have), bound.strip()) for bound in bounds.split(","))


def _within(have: tuple[int, ...], bound: str) -> bool:
    match = re.fullmatch(r"(==|>=|<=|<|>|!=)(.+)", bound)
    if match is None:
        return False
    sign, wanted = match[1], _numbers(match[2])
    width = max(len(have), len(wanted))
    left, right = ((*numbers, *[0] * (width - len(numbers))) for numbers in (have, wanted))
    is_so = {
        "==": left == right,
        "!=": left != right,
        ">=": left >= right,
        "<=": left <= right,
        "<": left < right,
        ">": left > right,
    }
    return is_so[sign]


def _numbers(text: str) -> tuple[int, ...]:
    """The numbers of a version without what is local to a build."""
    return tuple(int(number) for number in re.findall(r"\d+", text.partition("+")[0]))


def extras(modules: Mapping[str, str] = EXTRA_OF) -> list[Check]:
    """Whether what refresh, retrain and the deployments need is installed."""
    found = []
    for extra in ("train", "flows"):
        missing = [module for module, brought_by in modules.items() if brought_by == extra and not is_installed(module)]
        what = {"train": "refresh and retrain", "flows": "hsrl up"}[extra]
        if missing:
            found.append(Check(f"extra {extra}", "WARN", f"{_some(missing)} missing", needs(what, extra)))
        else:
            found.append(Check(f"extra {extra}", "OK", f"{what} can run"))
    return found


def is_installed(module: str) -> bool:
    """Whether a module could be imported; nothing is loaded to find out."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def clock(newest_release_at: datetime | None, now: datetime | None = None) -> Check:
    """The clock against the newest release: it may not lie ahead, and should not lie nights back."""
    now = now or datetime.now(UTC)
    if newest_release_at is None:
        return Check("clock", "OK", f"{now:%Y-%m-%d %H:%M} UTC; there is no release to compare it with")
    age = now - newest_release_at
    if age < -_CLOCK_SLACK:
        finding = f"{now:%Y-%m-%d %H:%M} UTC, but the newest release is of {newest_release_at:%Y-%m-%d %H:%M}"
        return Check(
            "clock", "FAIL", finding, "set the clock (timedatectl set-ntp true); releases are ordered by number, gc goes by time"
        )
    if age > _NIGHTS_MISSED:
        finding = f"the newest release is {age.days} days old"
        return Check(
            "clock", "WARN", finding, "see the runs (hsrl status) and the schedule (hsrl up), or leave it, if nothing is new"
        )
    return Check("clock", "OK", f"{now:%Y-%m-%d %H:%M} UTC, the newest release {age.total_seconds() / 3600:.1f} hours old")


def _some(values: list[str]) -> str:
    return ", ".join(values[:_FEW]) + (f" and {len(values) - _FEW} more" if len(values) > _FEW else "")
