"""Item-level SASRec, supervised by answers: what HSRL has to beat without tokens, values or a gradient of rewards."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from hsrl_train.data.weights import load_module, module_tensors
from hsrl_train.data.world import Catalogue, Records, State, on_device
from hsrl_train.learner import losses
from hsrl_train.learner.checkpoint import load_optimizer, nested, optimizer_tensors, part
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.decoding import LEFT_OUT, left_out
from hsrl_train.learner.encoder import StateEncoder, sizes_in
from hsrl_train.learner.loop import WARM_START
from hsrl_train.learner.methods.method import Method
from hsrl_train.learner.replay import Batch
from hsrl_train.learner.sections import DecodingConfig, NetworkConfig
from hsrl_train.simulator.environment import Environment
from pipeline.errors import TrainingError


class ItemNetwork(nn.Module):
    """The encoder of HSRL, and items scored in its own item space: logit_i = ⟨c(0), W x_i⟩ / √d + bias."""

    def __init__(self, config: NetworkConfig, item_width: int, profile_width: int, max_history: int) -> None:
        super().__init__()
        self.encoder = StateEncoder(item_width, profile_width, max_history, config)
        self.bias = nn.Parameter(torch.zeros(()))

    def logits(self, state: State, vectors: Float[Tensor, "n_plus_1 item_width"]) -> Float[Tensor, "b n_plus_1"]:
        """Log-odds that each item is liked."""
        c0: Tensor = self.encoder(state, vectors)
        items: Tensor = self.encoder.item(vectors)
        logits: Tensor = c0 @ items.T * c0.shape[1] ** -0.5 + self.bias
        return logits


@dataclass(frozen=True)
class ItemPolicy:
    """The K items of highest logit that are active and may be shown (again)."""

    network: ItemNetwork
    catalogue: Catalogue
    decoding: DecodingConfig

    @torch.no_grad()
    def slates(self, state: State, k: int, generator: torch.Generator) -> Int[Tensor, "b k"]:
        """Nothing is random."""
        return showable(self.network.logits(state, self.catalogue.vectors), state, self.catalogue, self.decoding, k)

    @torch.no_grad()
    def scores(self, state: State, items: Int[Tensor, "b j"]) -> Float[Tensor, "b j"]:
        """Log-odds that each item is liked."""
        return self.network.logits(state, self.catalogue.vectors).gather(1, items)

    def to_tensors(self) -> dict[str, Tensor]:
        """The weights; with the LearnerConfig all that ``from_tensors`` needs."""
        return module_tensors(self.network)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], config: LearnerConfig, catalogue: Catalogue) -> "ItemPolicy":
        """Build the policy that ``to_tensors`` was asked of.

        Raises:
            TrainingError: the tensors are not those of this configuration.
        """
        profile_width, max_history = sizes_in(tensors, config.network.width)
        network = ItemNetwork(config.network, catalogue.vectors.shape[1], profile_width, max_history)
        load_module(network, tensors, "policy")
        return cls(network.requires_grad_(False), catalogue, config.decoding)


def showable(
    scores: Float[Tensor, "b n_plus_1"], state: State, catalogue: Catalogue, decoding: DecodingConfig, k: int
) -> Int[Tensor, "b k"]:
    """The k best active items; what should not be shown again comes last.

    Raises:
        TrainingError: fewer than k items are active.
    """
    if int(catalogue.is_active.sum()) < k:
        raise TrainingError(
            f"policy: {int(catalogue.is_active.sum())} items are active, expected the slate's {k}; shorten the slate"
        )
    not_again = left_out(state, decoding)
    if not_again is not None:
        scores = scores - LEFT_OUT * torch.zeros_like(scores).scatter_(1, not_again, 1.0)
    return scores.masked_fill(~catalogue.is_active, -torch.inf).topk(k, dim=1).indices


class ItemSasrec:
    """The learner: BCE of its own slates' answers, liked up and refused down, nothing else.

    Args:
        catalogue: items and vectors; Semantic IDs are not read.
        profile_width: of the states.
        max_history: H.
        config: widths, temperature and ``actor_lr``.
        seed: of the initial weights.
    """

    def __init__(self, catalogue: Catalogue, profile_width: int, max_history: int, config: LearnerConfig, seed: int) -> None:
        self.catalogue = catalogue
        self.config = config
        self.showable = catalogue.is_active.nonzero().squeeze(1)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = ItemNetwork(config.network, catalogue.vectors.shape[1], profile_width, max_history).to(
                catalogue.device
            )
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=config.schedule.actor_lr, fused=True)

    @torch.no_grad()
    def act(self, state: State, k: int, generator: torch.Generator) -> tuple[Int[Tensor, "b k"], Float[Tensor, "b k"]]:
        """Gumbel top-K of logit / temperature: items drawn one after another in proportion to their odds."""
        logits = self.network.logits(state, self.catalogue.vectors)
        minus_gumbel = torch.rand(logits.shape, generator=generator).to(logits.device).log_().neg_().log_()
        slate = showable(
            logits / self.config.exploration.temperature - minus_gumbel, state, self.catalogue, self.config.decoding, k
        )
        return slate, logits.log_softmax(dim=1).gather(1, slate)

    def learn(self, batch: Batch, rate: float, done_share: float = 0.0) -> dict[str, float]:
        """One step on the two-sided likelihood."""
        items, answers = batch.supervision
        loss = losses.two_sided_loss(self.network.logits(batch.state_t, self.catalogue.vectors).gather(1, items), answers)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.schedule.actor_lr * rate
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return {"loss": float(loss.detach())}

    def start_from(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over a policy's weights.

        Raises:
            TrainingError: the policy is of another method, width or set of switches.
        """
        load_module(self.network, tensors, WARM_START)

    def policy(self) -> ItemPolicy:
        """What was learned so far, frozen."""
        return ItemPolicy(
            copy.deepcopy(self.network).cpu().requires_grad_(False), on_device(self.catalogue, "cpu"), self.config.decoding
        )

    def finish(
        self, environment: Environment, records: Records, seed: int, progress: Callable[[int, Mapping[str, float]], None]
    ) -> ItemPolicy:
        """What was learned; nothing is left to do."""
        return self.policy()

    def to_tensors(self) -> dict[str, Tensor]:
        """Network and the optimizer's moments."""
        return {
            **nested("network", module_tensors(self.network)),
            **nested("optimizer", optimizer_tensors(self.optimizer)),
        }

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what ``to_tensors`` gave.

        Raises:
            TrainingError: it is another network's.
        """
        load_module(self.network, part("network", tensors), "checkpoint, network")
        load_optimizer(self.optimizer, part("optimizer", tensors), "checkpoint, optimizer")


FROM_LOG = Method(
    "item_sasrec_log",
    ItemSasrec,
    ItemPolicy.from_tensors,
    fixed={"losses": {"answers": "logged"}, "search": {"n_rounds": 0}},
)
METHOD = Method("item_sasrec", ItemSasrec, ItemPolicy.from_tensors, fixed={"search": {"n_rounds": 0}})
