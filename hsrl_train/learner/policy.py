"""The HSRL network and the policy it becomes once trained (HSRL eq. 10–17, §4.4.1)."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from hsrl_train.data.weights import load_module, module_tensors
from hsrl_train.data.world import Catalogue, State
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.critic import ActionValue, MultiLevelCritic
from hsrl_train.learner.decoding import FAR_BELOW, SidIndex, left_out
from hsrl_train.learner.encoder import StateEncoder, sizes_in
from hsrl_train.learner.hpn import HierarchicalPolicyNetwork, TokenPolicy, summed_over_levels, token_columns
from hsrl_train.learner.sections import NetworkConfig


class HsrlNetwork(nn.Module):
    """Encoder, hierarchical policy and multi-level critic over one state.

    Args:
        config: widths and switches.
        item_width: width of an item vector.
        profile_width: width of a profile; 0 where the state has none.
        max_history: H.
        vocabulary: V_l for each level.
    """

    def __init__(
        self, config: NetworkConfig, item_width: int, profile_width: int, max_history: int, vocabulary: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.encoder = StateEncoder(item_width, profile_width, max_history, config)
        self.hpn = HierarchicalPolicyNetwork(config.width, vocabulary, config.hierarchy, config.token_embedding)
        self.critic = MultiLevelCritic(
            config.width, len(vocabulary) + 1, config.critic_hidden, config.values, config.level_weights
        )
        self.action_critic = ActionValue(config.width, config.critic_hidden) if config.critic == "decomposed" else None
        self.bias = nn.Parameter(torch.zeros(()))  # of the two-sided likelihood: raw token logits carry no base rate
        # What a token is worth beyond its own slate, added to its logit when the policy chooses; see foresight.py.
        self.foresight: Float[Tensor, " all_tokens"]
        self.register_buffer("foresight", torch.zeros(sum(vocabulary)))

    def tokens(
        self, state: State, vectors: Float[Tensor, "n_plus_1 item_width"], generator: torch.Generator | None = None
    ) -> TokenPolicy:
        """Contexts and token distributions of b states; ``generator`` feeds sampled tokens, where they are switched on."""
        policy: TokenPolicy = self.hpn(self.encoder(state, vectors), generator)
        return policy

    def with_foresight(self, foresight: Float[Tensor, " all_tokens"]) -> "HsrlNetwork":
        """A copy with these constants."""
        network = copy.deepcopy(self)
        network.foresight = foresight
        return network

    def critic_parameters(self) -> list[nn.Parameter]:
        """V_φ, ω and Q, where there is a Q: what the critic's rate moves."""
        action_value = [] if self.action_critic is None else [*self.action_critic.parameters()]
        return [parameter for parameter in [*self.critic.parameters(), *action_value] if parameter.requires_grad]

    def actor_parameters(self) -> list[nn.Parameter]:
        """Everything else."""
        return [*self.encoder.parameters(), *self.hpn.parameters(), self.bias]


@dataclass(frozen=True)
class HsrlPolicy:
    """A trained policy over one catalogue: the most probable items, each with its share of the product of its tokens' probabilities (14).

    Attributes:
        network: in evaluation; its critic is not asked.
        vectors: of the catalogue that is shown, which may be newer than the one learned on.
        index: its showable items by SID.
        tokens: Semantic IDs of the items of that catalogue; −1 at every level where an item has none.
        config: what it was learned with; decoding, and for a search the discount, are read.
    """

    network: HsrlNetwork
    vectors: Float[Tensor, "n_plus_1 item_width"]
    index: SidIndex
    tokens: Int[Tensor, "n_plus_1 l"]
    config: LearnerConfig

    @torch.no_grad()
    def slates(
        self,
        state: State,
        k: int,
        generator: torch.Generator,
        foresight: Float[Tensor, "b all_tokens"] | None = None,
    ) -> Int[Tensor, "b k"]:
        """The k most probable items that may be shown (again).

        Args:
            state: of b users.
            k: length of a slate.
            generator: used for a uniform choice within SIDs only.
            foresight: constants for each user in place of the network's.
        """
        index = self.index.shuffled(generator) if self.config.decoding.within_sid == "uniform" else self.index
        scores = index.scores(self.log_probs(state, foresight))
        return index.best(scores, k, left_out(state, self.config.decoding))

    @torch.no_grad()
    def scores(self, state: State, items: Int[Tensor, "b j"]) -> Float[Tensor, "b j"]:
        """Σ_l of the items' raw token logits, foresight included, + bias; far below for items without a SID."""
        logits = self.network.tokens(state, self.vectors).logits + self.network.foresight
        tokens = self.tokens[items]
        columns = token_columns(tokens.clamp_min(0), self.network.hpn.vocabulary)
        summed = summed_over_levels(logits, columns) + self.network.bias
        return summed.masked_fill((tokens < 0).any(dim=2), FAR_BELOW)

    @torch.no_grad()
    def log_probs(self, state: State, foresight: Float[Tensor, "b all_tokens"] | None = None) -> Float[Tensor, "b all_tokens"]:
        """log π(z_l = v | c(l-1)) with foresight: what items are ranked by; contexts are those of the logits without it."""
        logits = self.network.tokens(state, self.vectors).logits + (self.network.foresight if foresight is None else foresight)
        return torch.cat([level.log_softmax(dim=1) for level in logits.split(self.network.hpn.vocabulary, dim=1)], dim=1)

    def to_tensors(self) -> dict[str, Tensor]:
        """The weights; with the LearnerConfig all that ``from_tensors`` needs."""
        return module_tensors(self.network)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], config: LearnerConfig, catalogue: Catalogue) -> "HsrlPolicy":
        """Build the policy that ``to_tensors`` was asked of, over the SIDs of ``catalogue``.

        Raises:
            TrainingError: the tensors are not those of this configuration and vocabulary.
        """
        profile_width, max_history = sizes_in(tensors, config.network.width)
        network = HsrlNetwork(config.network, catalogue.vectors.shape[1], profile_width, max_history, catalogue.vocabulary)
        load_module(network, {"foresight": network.foresight, **tensors}, "policy")  # older policies have none
        index = SidIndex.of(catalogue, config.decoding.within_sid, config.decoding.sid_share)
        return cls(network.requires_grad_(False), catalogue.vectors, index, catalogue.tokens, config)
