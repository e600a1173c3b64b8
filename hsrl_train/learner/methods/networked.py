"""What methods with a network of their own share, so that their files say only what is theirs: a network, its loss, how it explores."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.func import functional_call

from hsrl_train.data.weights import load_module, module_tensors
from hsrl_train.data.world import Catalogue, Records, State, on_device
from hsrl_train.learner.checkpoint import load_optimizer, nested, optimizer_tensors, part
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.decoding import highest, left_out
from hsrl_train.learner.encoder import StateEncoder, sizes_in
from hsrl_train.learner.loop import WARM_START
from hsrl_train.learner.replay import Batch, Choice, Reads
from hsrl_train.learner.sections import DecodingConfig
from hsrl_train.simulator.environment import Environment
from pipeline.errors import TrainingError

# Parameters and what the configured learning rate of their part is.
Part = tuple[Sequence[nn.Parameter], float]


class PolicyNetwork(nn.Module, ABC):
    """All weights of a method, actor and critics, over the shared encoder.

    Attributes:
        encoder: turns a state into c(0) ∈ R^d and, by ``encoder.item``, item vectors into R^d.
    """

    encoder: StateEncoder

    @abstractmethod
    def scores(self, state: State, catalogue: Catalogue) -> Float[Tensor, "b n_plus_1"]:
        """How much the policy wants to show each item; finite, higher = rather."""

    def slates(
        self, state: State, catalogue: Catalogue, decoding: DecodingConfig, k: int, generator: torch.Generator
    ) -> Int[Tensor, "b k"]:
        """The k items of highest score that may be shown (again). A method that builds slates in another way says so here."""
        return showable(self.scores(state, catalogue), state, catalogue, decoding, k)


@dataclass(frozen=True)
class NetworkPolicy:
    """A trained network over one catalogue, frozen."""

    network: PolicyNetwork
    catalogue: Catalogue
    decoding: DecodingConfig

    @torch.no_grad()
    def slates(self, state: State, k: int, generator: torch.Generator) -> Int[Tensor, "b k"]:
        """As the network chooses when it does not explore."""
        return self.network.slates(state, self.catalogue, self.decoding, k, generator)

    @torch.no_grad()
    def scores(self, state: State, items: Int[Tensor, "b j"]) -> Float[Tensor, "b j"]:
        """The network's score of each item."""
        return self.network.scores(state, self.catalogue).gather(1, items)

    def to_tensors(self) -> dict[str, Tensor]:
        """The weights; with the LearnerConfig all that ``NetworkLearner.read`` needs."""
        return module_tensors(self.network)


class NetworkLearner(ABC):
    """A learner of one network, its slowly following target, and one Adam with a rate for each part.

    Args:
        catalogue: what may be shown.
        profile_width: of the states.
        max_history: H.
        config: of the learner.
        seed: of the initial weights, and of what ``generator`` draws.

    Attributes:
        showable: numbers of the items it can score.
        generator: for random numbers of the method's own; kept in checkpoints.
        n_updates: updates done.
        has_target: whether a target follows the network.
        critic_parts: the network's attributes that learn at the critic's rate, everything else at the actor's.
    """

    has_target: ClassVar[bool] = True
    critic_parts: ClassVar[tuple[str, ...]] = ()

    def __init__(self, catalogue: Catalogue, profile_width: int, max_history: int, config: LearnerConfig, seed: int) -> None:
        self.catalogue = catalogue
        self.config = config
        self.showable = catalogue.is_active.nonzero().squeeze(1)
        self.generator = torch.Generator().manual_seed(seed)
        self.n_updates = 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = self.fresh_network(catalogue, profile_width, max_history, config).to(catalogue.device)
        self.target = copy.deepcopy(self.network).requires_grad_(False) if self.has_target else self.network
        groups = [{"params": list(parameters), "full_lr": lr} for parameters, lr in self.parts()]
        self.optimizer = torch.optim.Adam(groups, lr=config.schedule.actor_lr, fused=True)

    @classmethod
    @abstractmethod
    def fresh_network(cls, catalogue: Catalogue, profile_width: int, max_history: int, config: LearnerConfig) -> PolicyNetwork:
        """The network before it learns; random numbers are those of torch's global generator, seeded by the caller."""

    @classmethod
    def reads(cls, config: LearnerConfig) -> Reads:
        """Slates of the log, and no answer of another item; a method of which this is not true says so here."""
        return Reads(asked_items=False, logged_rows=True)

    @abstractmethod
    def terms(self, batch: Batch, done_share: float) -> dict[str, Tensor]:
        """The terms of the loss of one update, scalars by name; their sum is stepped on. ``done_share`` of the training is over."""

    def parts(self) -> Sequence[Part]:
        """Which parameters learn at which rate; every parameter that should move, once, in the order of the network."""
        schedule, named = self.config.schedule, list(self.network.named_parameters())
        critic = [weight for name, weight in named if name.split(".")[0] in self.critic_parts]
        actor = [weight for name, weight in named if name.split(".")[0] not in self.critic_parts]
        return [(weights, lr) for weights, lr in ((actor, schedule.actor_lr), (critic, schedule.critic_lr)) if weights]

    @torch.no_grad()
    def act(self, state: State, k: int, generator: torch.Generator) -> Choice:
        """Items drawn one after another in proportion to exp(score / ``exploration.temperature``)."""
        scores = self.network.scores(state, self.catalogue)
        slate = drawn(scores / self.config.exploration.temperature, state, self.catalogue, self.config.decoding, k, generator)
        return Choice(slate, scores.log_softmax(dim=1).gather(1, slate))

    def learn(self, batch: Batch, rate: float, done_share: float = 0.0) -> dict[str, float]:
        """One step on the sum of the terms, then the targets follow."""
        terms = self.terms(batch, done_share)
        loss = torch.stack(list(terms.values())).sum()
        for group in self.optimizer.param_groups:
            group["lr"] = group["full_lr"] * rate
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.n_updates += 1
        if self.has_target:
            self.follow()
        return {**{name: float(term.detach()) for name, term in terms.items()}, "loss": float(loss.detach())}

    @torch.no_grad()
    def follow(self) -> None:
        """The target's weights take a share ``losses.polyak`` of the way to the network's."""
        for slow, fast in zip(self.target.parameters(), self.network.parameters(), strict=True):
            slow.lerp_(fast, self.config.losses.polyak)

    def start_from(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over a policy's weights, in the target too.

        Raises:
            TrainingError: the policy is of another method, width or set of switches.
        """
        load_module(self.network, tensors, WARM_START)
        load_module(self.target, tensors, WARM_START)

    def policy(self) -> NetworkPolicy:
        """What was learned so far, frozen."""
        network = copy.deepcopy(self.network).cpu().requires_grad_(False)
        return NetworkPolicy(network, on_device(self.catalogue, "cpu"), self.config.decoding)

    def finish(
        self, environment: Environment, records: Records, seed: int, progress: Callable[[int, Mapping[str, float]], None]
    ) -> NetworkPolicy:
        """What was learned; nothing is left to do."""
        return self.policy()

    def to_tensors(self) -> dict[str, Tensor]:
        """Network, target, moments and random numbers. A method that keeps more adds it in both directions."""
        target = nested("target", module_tensors(self.target)) if self.has_target else {}
        return {
            "generator": self.generator.get_state(),
            "n_updates": torch.tensor(self.n_updates),
            **nested("network", module_tensors(self.network)),
            **target,
            **nested("optimizer", optimizer_tensors(self.optimizer)),
        }

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what ``to_tensors`` gave.

        Raises:
            TrainingError: it is another network's.
        """
        load_module(self.network, part("network", tensors), "checkpoint, network")
        if self.has_target:
            load_module(self.target, part("target", tensors), "checkpoint, target")
        load_optimizer(self.optimizer, part("optimizer", tensors), "checkpoint, optimizer")
        self.generator.set_state(tensors["generator"])
        self.n_updates = int(tensors["n_updates"])

    @classmethod
    def read(cls, tensors: Mapping[str, Tensor], config: LearnerConfig, catalogue: Catalogue) -> NetworkPolicy:
        """The policy whose ``to_tensors`` gave these tensors, over this catalogue.

        Raises:
            TrainingError: the tensors are not those of this configuration.
        """
        profile_width, max_history = sizes_in(tensors, config.network.width)
        network = cls.fresh_network(catalogue, profile_width, max_history, config)
        load_module(network, tensors, "policy")
        return NetworkPolicy(network.requires_grad_(False), catalogue, config.decoding)


def showable(
    scores: Float[Tensor, "b n_plus_1"], state: State, catalogue: Catalogue, decoding: DecodingConfig, k: int
) -> Int[Tensor, "b k"]:
    """The k best active items; what should not be shown again comes last.

    Raises:
        TrainingError: fewer than k items are active.
    """
    free = free_items(state, catalogue, decoding, k)
    return highest(scores + free.added, free.is_last, k)


class Free(NamedTuple):
    """What may be shown.

    Attributes:
        added: to finite scores: −∞ where an item may not be shown, else 0.
        is_last: what comes last, whatever its score: no number is far enough below scores that nothing bounds.
    """

    added: Float[Tensor, "b n_plus_1"]
    is_last: Bool[Tensor, "b n_plus_1"]


def free_items(state: State, catalogue: Catalogue, decoding: DecodingConfig, k: int) -> Free:
    """What may be shown to each user.

    Raises:
        TrainingError: fewer than k items are active.
    """
    if int(catalogue.is_active.sum()) < k:
        raise TrainingError(
            f"policy: {int(catalogue.is_active.sum())} items are active, expected the slate's {k}; shorten the slate"
        )
    added = torch.zeros(len(state.history), len(catalogue.is_active), device=catalogue.device)
    is_last = torch.zeros(added.shape, dtype=torch.bool, device=added.device)
    not_again = left_out(state, decoding)
    if not_again is not None:
        is_last.scatter_(1, not_again, value=True)
    return Free(added.masked_fill_(~catalogue.is_active, -torch.inf), is_last)


def drawn(
    log_weights: Float[Tensor, "b n_plus_1"],
    state: State,
    catalogue: Catalogue,
    decoding: DecodingConfig,
    k: int,
    generator: torch.Generator,
) -> Int[Tensor, "b k"]:
    """Gumbel top-k: k active items drawn one after another, without replacement, in proportion to exp(log weight)."""
    minus_gumbel = torch.rand(log_weights.shape, generator=generator).to(log_weights.device).log_().neg_().log_()
    return showable(log_weights - minus_gumbel, state, catalogue, decoding, k)


def mlp(n_in: int, hidden: Sequence[int], n_out: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    widths = (n_in, *hidden)
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], n_out))


def held(module: nn.Module, *inputs: Tensor) -> Tensor:
    """What the module says of the inputs; the gradient reaches the inputs, not the module's weights (an actor's −Q)."""
    output: Tensor = functional_call(module, {name: weight.detach() for name, weight in module.named_parameters()}, inputs)
    return output
