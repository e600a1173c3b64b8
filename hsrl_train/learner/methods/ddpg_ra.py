"""DDPG-RA: DDPG whose items are represented by their effects (HAC Table 3, after Chandak et al. 2019; docs/baselines.md §3.6).

    L = L_TD − λ_q Q(s, μ(s)) + λ_r L_RA        L_RA: hsrl_train/learner/representation.py

L_RA moves the items e_i and the inverse model only. [A] λ_r stands for the separate learning rate of the paper.
"""

import torch
from torch import Tensor

from hsrl_train.data.world import Catalogue
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.encoder import StateEncoder
from hsrl_train.learner.methods.ddpg import UNSUPERVISED, Ddpg
from hsrl_train.learner.methods.hyper_actor import Draft, HyperNetwork
from hsrl_train.learner.methods.method import Method
from hsrl_train.learner.replay import Batch
from hsrl_train.learner.representation import InverseModel, guessed_places, representation_loss
from hsrl_train.learner.sections import NetworkConfig


class InverseNetwork(HyperNetwork):
    """DDPG's network and the inverse model ê(c, c')."""

    def __init__(self, encoder: StateEncoder, config: NetworkConfig, n_critics: int, *, holds_length: bool) -> None:
        super().__init__(encoder, config, n_critics, holds_length=holds_length)
        self.inverse = InverseModel(config.width)


class DdpgRa(Ddpg):
    """The learner: DDPG and the representation loss."""

    network: InverseNetwork

    @classmethod
    def fresh_network(cls, catalogue: Catalogue, profile_width: int, max_history: int, config: LearnerConfig) -> InverseNetwork:
        """Encoder, hyper-actor, critics and inverse model."""
        encoder = StateEncoder(catalogue.vectors.shape[1], profile_width, max_history, config.network)
        return InverseNetwork(encoder, config.network, cls.n_critics(config), holds_length=config.hyper_action.holds_length)

    def actor_terms(self, batch: Batch, draft: Draft, done_share: float) -> dict[str, Tensor]:
        """The representation loss; states are held."""
        settings = self.config.hyper_action
        with torch.no_grad():
            after = self.network.context(batch.state_tp1, self.catalogue)
        guess = self.network.inverse(draft.context, after)
        counts = guessed_places(batch, clicked_only=settings.clicked_only)
        loss = representation_loss(guess, draft.items, batch.slate, counts, self.catalogue.is_active)
        return {"representation_loss": settings.representation_weight * loss}


METHOD = Method("ddpg_ra", DdpgRa, DdpgRa.read, fixed=UNSUPERVISED)
