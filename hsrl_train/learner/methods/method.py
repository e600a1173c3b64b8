"""What a method is: how a learner is made fresh, how its policy is read back, and which settings it fixes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

from hsrl_train.data.world import Catalogue
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.loop import Learner, StoredPolicy
from hsrl_train.learner.replay import Reads


class FreshLearner(Protocol):
    """Makes an untrained learner; TrainingError where the catalogue does not fit it."""

    def __call__(self, catalogue: Catalogue, profile_width: int, max_history: int, config: LearnerConfig, seed: int) -> Learner:
        """See ``Method.fresh``."""
        ...

    def reads(self, config: LearnerConfig) -> Reads:
        """What its updates learn from; ``config`` is with what the method fixes."""
        ...


class ReadPolicy(Protocol):
    """Builds a policy from what its ``to_tensors`` gave; TrainingError where the tensors do not fit."""

    def __call__(self, tensors: Mapping[str, Tensor], config: LearnerConfig, catalogue: Catalogue) -> StoredPolicy:
        """See ``Method.read``; ``config`` is with what the method fixes."""
        ...


@dataclass(frozen=True)
class Method:
    """A way to learn.

    Attributes:
        name: in ``learner.method``.
        learner: makes an untrained learner.
        reader: builds a stored policy from its tensors, by the settings that the method learned with.
        fixed: settings that the method is defined by, section → key → value; they stand above the configuration.
    """

    name: str
    learner: FreshLearner
    reader: ReadPolicy
    fixed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def configured(self, config: LearnerConfig) -> LearnerConfig:
        """The configuration with what the method fixes, without what it would not read: items to ask about, slates of the log in a batch.

        A batch of the log alone stays: a method that does not read it refuses to begin.
        """
        fixed = config.changed(self.fixed)
        reads = self.learner.reads(fixed)
        unread = {} if reads.asked_items else {"n_asked": 0}
        if not reads.logged_rows and fixed.n_logged < fixed.schedule.batch_size:
            unread["log_share"] = 0
        return fixed.changed({"losses": unread}) if unread else fixed

    def reads(self, config: LearnerConfig) -> Reads:
        """What its updates learn from beside the answers to its own slates."""
        return self.learner.reads(self.configured(config))

    def fresh(self, catalogue: Catalogue, profile_width: int, max_history: int, config: LearnerConfig, seed: int) -> Learner:
        """An untrained learner.

        Args:
            catalogue: what may be shown.
            profile_width: u of the states; 0 where users have no attributes.
            max_history: H, the longest history.
            config: as given; what the method fixes stands above it.
            seed: of the initial weights.

        Raises:
            TrainingError: it needs Semantic IDs, and no active item has one.
        """
        return self.learner(catalogue, profile_width, max_history, self.configured(config), seed)

    def read(self, tensors: Mapping[str, Tensor], config: LearnerConfig, catalogue: Catalogue) -> StoredPolicy:
        """A stored policy over the items and Semantic IDs of a catalogue.

        Args:
            tensors: what its ``to_tensors`` gave.
            config: as given to the training; what the method fixes stands above it.
            catalogue: what may be shown.

        Raises:
            TrainingError: the tensors do not fit.
        """
        return self.reader(tensors, self.configured(config), catalogue)

    def n_units(self, config: LearnerConfig) -> int:
        """Iterations of the whole training, with what is done after the last one counted in iterations too."""
        return self.configured(config).n_units
