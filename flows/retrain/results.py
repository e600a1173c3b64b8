"""What a retrain has made before anything of it is published."""

from dataclasses import dataclass, field

from flows.retrain.simulators import Simulator
from flows.retrain.training import Trained, TrainingJob
from hsrl_train.evaluation.claims import Claim
from hsrl_train.evaluation.judge import PolicyResult
from hsrl_train.evaluation.real_answers import RealAnswers


@dataclass(frozen=True)
class JudgedAnswers:
    """People's own answers to what a policy ranks high; ``policy_id`` and ``seed`` are None for ranking by items alone."""

    policy_id: str | None
    answers: RealAnswers
    seed: int | None = None


@dataclass(frozen=True)
class Claimed:
    """What may be said of a policy beside another method of the same run."""

    policy_id: str
    policy: str
    reference: str
    claim: Claim


@dataclass(frozen=True)
class Results:
    """The simulators and policies of a retrain, and once they are judged, the policy that may be published.

    Attributes:
        training: simulators that policies learned in.
        judging: simulators that judge.
        trained: the configured method in every seed, then the methods it is compared with.
        job: of the configured method, in its first seed.
        best: the seed that does best where it learned; None until policies are judged.
        rows: of the evaluation; the reference rows first.
        real: people's own answers, for ranking by items alone and for every policy.
        claims: what may be said of policies beside the first of the other methods.
        is_published: whether ``best`` passed the gate.
        verdict: of the gate, in words.
    """

    training: list[Simulator]
    judging: list[Simulator]
    trained: list[Trained]
    job: TrainingJob
    best: Trained | None = None
    rows: list[PolicyResult] = field(default_factory=list)
    real: list[JudgedAnswers] = field(default_factory=list)
    claims: list[Claimed] = field(default_factory=list)
    is_published: bool = False
    verdict: str = ""

    @property
    def simulators(self) -> list[Simulator]:
        """All of them."""
        return [*self.training, *self.judging]

    @property
    def candidates(self) -> list[Trained]:
        """The policies of the configured method."""
        return self.trained[: self.job.training.n_seeds]

    @property
    def policy(self) -> Trained:
        """The best seed; only once policies are judged."""
        assert self.best is not None, "the policies are not judged yet"  # noqa: S101
        return self.best

    @property
    def others(self) -> list[Trained]:
        """The other seeds and the other methods."""
        return [trained for trained in self.trained if trained is not self.best]
