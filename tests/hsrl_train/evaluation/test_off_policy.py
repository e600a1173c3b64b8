"""Off-policy estimates: by hand, unbiased over many logs of a world whose truth is known, and on Open Bandit's two policies."""

import csv
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hsrl_train.evaluation.off_policy import Logged, estimate
from pipeline.errors import TrainingError

SHARED = Path(os.environ.get("HSRL_SHARED", "../shared")) / "data" / "obd"


def test_by_hand() -> None:
    """Weights 2, 1 and .5: IPS (2·1 + 0 + .5·1) / 3, SNIPS 2.5 / 3.5, effective size 3.5² / 5.25."""
    logged = Logged(np.array([1.0, 0, 1]), np.array([0.25, 0.5, 0.5]), np.array([0.5, 0.5, 0.25]), np.arange(3))
    found = estimate(logged, (np.full(3, 0.5), np.full(3, 0.6)))
    assert found.ips.mean == pytest.approx(2.5 / 3)
    assert found.snips.mean == pytest.approx(2.5 / 3.5)
    assert found.dr is not None
    assert found.dr.mean == pytest.approx((3 * 0.6 + 2 * 0.5 - 0.5 + 0.5 * 0.5) / 3)
    assert (found.n_effective, found.largest_weight, found.clipped_share) == (pytest.approx(3.5**2 / 5.25), 2.0, 0.0)
    clipped = estimate(logged, clip=1.0)
    assert (clipped.ips.mean, clipped.clipped_share) == (pytest.approx(1.5 / 3), pytest.approx(1 / 3))


def test_estimates_are_true_in_the_mean_and_intervals_cover() -> None:
    """Four items liked with .1 … .7, shown by a known skew; the policy shows them the other way round: it earns .5."""
    rates, log, policy = np.array([0.1, 0.3, 0.5, 0.7]), np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.1, 0.2, 0.3, 0.4])
    truth, rng = float(rates @ policy), np.random.default_rng(0)
    found = []
    for _ in range(300):
        shown = rng.choice(4, 500, p=log)
        reward = (rng.random(500) < rates[shown]).astype(float)
        model = (rates[shown] + 0.1, np.full(500, truth + 0.1))  # a model that is wrong everywhere by as much
        found.append(estimate(Logged(reward, log[shown], policy[shown], np.arange(500)), model))
    for name in ("ips", "snips", "dr"):
        intervals = [getattr(one_log, name) for one_log in found]
        means = np.array([interval.mean for interval in intervals])
        assert abs(means.mean() - truth) < 4 * means.std() / 300**0.5
        covered = np.mean([interval.low <= truth <= interval.high for interval in intervals])
        assert 0.91 <= covered <= 0.985
    spread = {name: np.std([getattr(one_log, name).mean for one_log in found]) for name in ("ips", "dr")}
    assert spread["dr"] < spread["ips"]


def test_events_of_one_user_are_one_piece_of_evidence() -> None:
    rng = np.random.default_rng(0)
    reward = np.repeat((rng.random(50) < 0.5).astype(float), 20)
    half, whole = (
        estimate(Logged(reward, np.ones(1000), np.ones(1000), user)).ips for user in (np.arange(1000), np.repeat(range(50), 20))
    )
    assert (whole.high - whole.low) / (half.high - half.low) == pytest.approx(20**0.5, rel=0.05)


def test_what_cannot_be_estimated_is_one_line() -> None:
    ones = np.ones(2)
    with pytest.raises(TrainingError, match=r"1 of 2 events have a propensity outside \(0, 1\]"):
        estimate(Logged(ones, np.array([0.5, 0.0]), ones, np.arange(2)))
    with pytest.raises(TrainingError, match="would have shown none of 2 logged items"):
        estimate(Logged(ones, ones, np.zeros(2), np.arange(2)))
    with pytest.raises(TrainingError, match="events of 1 user"):
        estimate(Logged(ones, ones, ones, np.zeros(2, np.int64)))


def bandit(policy: str) -> dict[str, np.ndarray]:
    """Item, position, click and propensity of the shared Open Bandit events of one policy, campaign all."""
    archives = sorted(SHARED.glob("*.zip")) if SHARED.exists() else []
    for archive in archives:
        with zipfile.ZipFile(archive) as opened:
            for name in opened.namelist():
                if f"{policy}/all" in name and name.endswith("all.csv"):
                    rows = list(csv.DictReader(io.TextIOWrapper(opened.open(name), "utf-8")))
                    return {
                        "item": np.array([int(row["item_id"]) for row in rows]),
                        "position": np.array([int(row["position"]) for row in rows]),
                        "click": np.array([float(row["click"]) for row in rows]),
                        "propensity": np.array([float(row["propensity_score"]) for row in rows]),
                    }
    pytest.skip(f"no Open Bandit events of {policy} under {SHARED.name} of the shared data")


def test_random_is_foretold_from_the_log_of_thompson_sampling() -> None:
    """Uniform random on Open Bandit, estimated from the log of `bts`, beside what the log of `random` really earned."""
    logged, truth = bandit("bts"), bandit("random")
    n_items = len(np.unique(truth["item"]))
    events = Logged(
        logged["click"], logged["propensity"], np.full(len(logged["click"]), 1 / n_items), np.arange(len(logged["click"]))
    )
    found = estimate(events)
    rate, error = truth["click"].mean(), truth["click"].std() / len(truth["click"]) ** 0.5
    assert found.snips.low - 2 * error <= rate <= found.snips.high + 2 * error
    assert found.n_effective < len(logged["click"])
