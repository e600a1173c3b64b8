"""What an A/B test is read out as: lifts, the plan of the next test, a page, a table and a picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from flows.plots.style import colour, figure, head, styled, write_png
from flows.runtime.files import written
from hsrl_train.data.tensors import World
from hsrl_train.data.world import State
from hsrl_train.evaluation.ab_days import EARNINGS, Served
from hsrl_train.evaluation.ab_readout import LEVEL, LONGEST, POWER, Lift, Users, days_needed, lift, spread_of, users_needed
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.loop import StoredPolicy

REWARD = "total reward a session"
NEEDED = "users in each arm"
# The shares of the users that a plan of the next test is told for.
_TRAFFICS = (0.05, 0.15, 0.5)


@dataclass(frozen=True)
class AbRequest:
    """What is tested.

    Attributes:
        control: method that users have now.
        treatment: method that some are to have.
        n_days: length of the test.
        traffic: share of the users in each arm, in (0, 0.5].
        n_iterations: of a night's learning; the first night, before the test, has those of the configuration.
        out: folder for the page.
        values: file with what a positive answer to each item is worth and costs; None where nobody pays.
    """

    control: str
    treatment: str
    n_days: int
    traffic: float
    n_iterations: int
    out: Path
    values: Path | None = None

    @property
    def words(self) -> str:
        """The options that decide what comes out, as one would type them."""
        paid = f" --values {self.values}" if self.values else ""
        return (
            f"--control {self.control} --treatment {self.treatment} --days {self.n_days} --traffic {self.traffic:g} "
            f"--iterations {self.n_iterations}{paid}"
        )


@dataclass
class Arm:
    """One side of the test: its users, what they are shown, and what its log holds.

    ``name`` says the side and the method, since both sides may have the same.
    """

    name: str
    config: LearnerConfig
    users: Tensor
    states: State
    policy: StoredPolicy
    world: World
    days: list[Served]


def read_out(arms: Sequence[Arm], request: AbRequest) -> list[Lift]:
    """The reward with and without CUPED, what was earned, then the guard rails: a number for each user over the days of the test."""
    days = request.n_days

    def compared(metric: str, of_day: Callable[[Served], Tensor], *, with_cuped: bool = True) -> Lift:
        control, treatment = (_summed(arm, of_day) / days for arm in arms)
        before = (of_day(arms[0].days[0]).double().numpy(), of_day(arms[1].days[0]).double().numpy())
        return lift(metric, control, treatment, before if with_cuped else None)

    refused = [_summed(arm, lambda day: day.n_refused) / _summed(arm, lambda day: day.n_shown) for arm in arms]
    return [
        compared(REWARD, lambda day: day.reward),
        compared(f"{REWARD}, without CUPED", lambda day: day.reward, with_cuped=False),
        *(
            compared(f"{name} a session", lambda day, place=place: day.earned[:, place])  # type: ignore[misc]
            for place, name in enumerate(EARNINGS[: arms[0].days[0].earned.shape[1]])
        ),
        compared("slates a session", lambda day: day.depth, with_cuped=False),
        lift("share of shown places that are refused", refused[0], refused[1]),
    ]


def _summed(arm: Arm, of_day: Callable[[Served], Tensor]) -> Users:
    """Of each user over the days of the test."""
    total: Users = torch.stack([of_day(day).double() for day in arm.days[1:]]).sum(dim=0).numpy()
    return total


def plan(rows: Sequence[Lift], arms: Sequence[Arm], n_users: int) -> list[dict[str, Any]]:
    """Users in each arm that find half, once and twice the lift that was seen in as many days, and the days with shares of all users.

    Args:
        rows: of the read-out, that of the reward first.
        arms: the control first.
        n_users: all that there are.

    Returns:
        Columns ``difference``, ``NEEDED`` and one for each share of traffic; None where no number does.
    """
    found = rows[0]
    days = np.stack([day.reward.double().numpy() for day in arms[0].days[1:]])
    spread = spread_of(days, found.variance_left)
    plan = []
    for share in (0.5, 1.0, 2.0):
        difference = share * found.difference
        row: dict[str, Any] = {"difference": difference, NEEDED: None}
        if difference:
            row[NEEDED] = users_needed(spread.of_mean(len(days)), difference)
            row |= {f"days at {traffic:.0%}": days_needed(spread, difference, round(traffic * n_users)) for traffic in _TRAFFICS}
        plan.append(row)
    return plan


def plain(found: Lift) -> dict[str, Any]:
    """A lift as numbers by name."""
    return {**{name: getattr(found, name) for name in Lift.__dataclass_fields__}, "relative": found.relative}


def write(
    arms: Sequence[Arm], rows: Sequence[Lift], planned: Sequence[dict[str, Any]], request: AbRequest, made_by: str, root: Path
) -> list[Path]:
    """Write the page, the days as a table, and their picture; their paths."""
    request.out.mkdir(parents=True, exist_ok=True)
    paths = {kind: request.out / f"ab.{kind}" for kind in ("md", "csv", "png")}
    daily = pl.DataFrame(
        [
            {
                "arm": arm.name,
                "day": day,
                "users": len(arm.users),
                "total_reward": float(served.reward.mean()),
                "total_reward_se": float(served.reward.std() / len(served.reward) ** 0.5),
                "depth": float(served.depth.double().mean()),
                "distinct_items": len(served.items),
                **{
                    name.replace(" ", "_"): mean
                    for name, mean in zip(EARNINGS, served.earned.double().mean(dim=0).tolist(), strict=False)
                },
            }
            for arm in arms
            for day, served in enumerate(arm.days)
        ]
    )
    with written(paths["md"], root) as draft:
        draft.write_text(_page(arms, rows, planned, request, made_by), encoding="utf-8")
    with written(paths["csv"], root) as draft:
        daily.write_csv(draft)
    with written(paths["png"], root) as draft, styled():
        made = figure(8.0, 4.0)
        head(made, f"A/B test: {request.treatment} beside {request.control}")
        axes = made.subplots()
        for number, arm in enumerate(arms):
            own = daily.filter(pl.col("arm") == arm.name)
            x, half = (own["day"] + 0.04 * number).to_numpy(), (1.96 * own["total_reward_se"]).to_numpy()
            axes.errorbar(x, own["total_reward"], yerr=half, capsize=3, marker="o", color=colour(number), label=arm.name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("day, with 95 % intervals; on day 0 both arms have the control's policy")
        axes.set_ylabel("total reward a session")
        axes.legend(frameon=False)
        write_png(made, draft)
    return list(paths.values())


def _page(arms: Sequence[Arm], rows: Sequence[Lift], planned: Sequence[dict[str, Any]], request: AbRequest, made_by: str) -> str:
    lines = [
        f"# A/B test: {request.treatment} beside {request.control}",
        "",
        f"{made_by}. {request.n_days} days, {len(arms[0].users):,} and {len(arms[1].users):,} users; every user comes once a day; each arm "
        f"learns {request.n_iterations:,} iterations a night on its own log. The users are simulated, by families that nobody learned in.",
        "",
        "| metric | control | difference | 95 % interval | relative | p | variance that CUPED left |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row.metric} | {row.control:.3f} | {row.difference:+.3f} | {row.low:+.3f} … {row.high:+.3f} | {row.relative:+.1%} | "
        f"{row.p_value:.3g} | {row.variance_left:.2f} |"
        for row in rows
    ]
    if planned[0][NEEDED]:
        heads = list(planned[0])
        lines += [
            "",
            f"What finds such differences in total reward with {POWER:.0%} power at {LEVEL:.0%}: users in each arm in {request.n_days} days, or "
            "days with shares of all users in each arm. The same users come every day, so that a longer test averages their days only; – is "
            f"more than {LONGEST} days.",
            "",
            f"| {' | '.join(heads)} |",
            "| ---: |" + " ---: |" * (len(heads) - 1),
            *(
                f"| {row['difference']:+.3f} | {' | '.join('–' if row[name] is None else f'{row[name]:,}' for name in heads[1:])} |"
                for row in planned
            ),
        ]
    return "\n".join([*lines, "", "![Total reward day by day](ab.png)", ""])
