"""The methods by name: how each is made fresh, and how its policy is read back."""

from collections.abc import Mapping
from types import MappingProxyType

from torch import Tensor

from hsrl_train.data.world import Catalogue
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.hsrl import Hsrl
from hsrl_train.learner.item_sasrec import ItemPolicy, ItemSasrec
from hsrl_train.learner.loop import Method, StoredPolicy
from hsrl_train.learner.policy import HsrlPolicy

# Token-level SASRec is HSRL's network under the two-sided likelihood alone: no reward, no value, no entropy, no search.
SUPERVISED = MappingProxyType(
    {
        "likelihood": "two_sided",
        "likelihood_weight": 1.0,
        "likelihood_end_weight": None,
        "pg_weight": 0.0,
        "entropy_weight": 0.0,
        "critic_trains_encoder": False,
        "foresight_rounds": 0,
    }
)


def fresh_method(catalogue: Catalogue, profile_width: int, max_history: int, config: LearnerConfig, seed: int) -> Method:
    """The method that ``config.method`` names, untrained.

    Raises:
        TrainingError: it needs Semantic IDs, and no active item has one.
    """
    if config.method == "item_sasrec":
        return ItemSasrec(catalogue, profile_width, max_history, config, seed)
    if config.method == "token_sasrec":
        config = config.model_copy(update=dict(SUPERVISED))
    return Hsrl(catalogue, profile_width, max_history, config, seed)


def read_policy(tensors: Mapping[str, Tensor], config: LearnerConfig, catalogue: Catalogue) -> StoredPolicy:
    """The policy that was stored with ``config``, over the items and Semantic IDs of ``catalogue``.

    Raises:
        TrainingError: the tensors are not those of this configuration and vocabulary.
    """
    if config.method == "item_sasrec":
        return ItemPolicy.from_tensors(tensors, config, catalogue)
    return HsrlPolicy.from_tensors(tensors, config, catalogue)
