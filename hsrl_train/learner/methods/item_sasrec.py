"""Item-level SASRec, supervised by answers: what HSRL has to beat without tokens, values or a gradient of rewards."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hsrl_train.data.world import Catalogue, State
from hsrl_train.learner import losses
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.encoder import StateEncoder
from hsrl_train.learner.methods.method import Method
from hsrl_train.learner.methods.networked import NetworkLearner, PolicyNetwork
from hsrl_train.learner.replay import Batch, Reads


class ItemNetwork(PolicyNetwork):
    """The encoder of HSRL, and items scored in its own item space: logit_i = ⟨c(0), W x_i⟩ / √d + bias."""

    def __init__(self, encoder: StateEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.bias = nn.Parameter(torch.zeros(()))

    def scores(self, state: State, catalogue: Catalogue) -> Float[Tensor, "b n_plus_1"]:
        """Log-odds that each item is liked."""
        c0: Tensor = self.encoder(state, catalogue.vectors)
        items: Tensor = self.encoder.item(catalogue.vectors)
        logits: Tensor = c0 @ items.T * c0.shape[1] ** -0.5 + self.bias
        return logits


class ItemSasrec(NetworkLearner):
    """The learner: BCE of its own slates' answers, liked up and refused down, nothing else. Semantic IDs are not read."""

    has_target = False

    @classmethod
    def fresh_network(cls, catalogue: Catalogue, profile_width: int, max_history: int, config: LearnerConfig) -> ItemNetwork:
        """Encoder and bias."""
        return ItemNetwork(StateEncoder(catalogue.vectors.shape[1], profile_width, max_history, config.network))

    @classmethod
    def reads(cls, config: LearnerConfig) -> Reads:
        """Every answer there is."""
        return Reads(asked_items=True, logged_rows=True)

    def terms(self, batch: Batch, done_share: float) -> dict[str, Tensor]:
        """The two-sided likelihood."""
        items, answers = batch.supervision
        scores = self.network.scores(batch.state_t, self.catalogue)
        return {"likelihood_loss": losses.two_sided_loss(scores.gather(1, items), answers)}


# HAC's supervised rows as published (HAC eq. 10, App. A.3): answers as they were given, and a state of likes alone. What tells them from the
# rows without "sl": those see refusals, and on-line expected answers, where the configuration gives both.
SL_OFFLINE = Method(
    "sl_offline",
    ItemSasrec,
    ItemSasrec.read,
    fixed={"network": {"uses_refusals": False}, "losses": {"answers": "logged"}, "search": {"n_rounds": 0}},
)
SL_ONLINE = Method(
    "sl_online",
    ItemSasrec,
    ItemSasrec.read,
    fixed={"network": {"uses_refusals": False}, "losses": {"answers": "drawn"}, "search": {"n_rounds": 0}},
)
FROM_LOG = Method(
    "item_sasrec_log",
    ItemSasrec,
    ItemSasrec.read,
    fixed={"losses": {"answers": "logged"}, "search": {"n_rounds": 0}},
)
METHOD = Method("item_sasrec", ItemSasrec, ItemSasrec.read, fixed={"search": {"n_rounds": 0}})
