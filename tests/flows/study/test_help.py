"""The column "help it had" names what a method's updates read, not what the configuration offers."""

import pytest

from flows.study.results import help_of
from hsrl_train.learner.config import LearnerConfig


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("item_sasrec", "expected answers, 40 asked items; 50% of a batch from the log; 2 simulators; refusals"),
        ("slateq", "expected answers, 40 asked items; 50% of a batch from the log; 2 simulators; refusals"),
        ("td3", "expected answers; 50% of a batch from the log; 2 simulators; refusals"),
        ("a2c", "expected answers; 2 simulators; refusals"),
        ("sl_online", "drawn answers; 2 simulators"),
        ("next_item", "the log alone"),
    ],
)
def test_a_row_had_the_help_that_its_method_reads(method: str, said: str) -> None:
    assert help_of(LearnerConfig(method=method), 2) == said


def test_supervision_beside_the_rewards_is_help() -> None:
    supervised = LearnerConfig.model_validate({"method": "a2c", "actor_critic": {"likelihood_weight": 0.1}})
    assert help_of(supervised, 1) == "expected answers, 40 asked items; 50% of a batch from the log; 1 simulator; refusals"
