"""Next-item SASRec, HSRL's row "SL": softmax cross-entropy on what people liked next in the log (HSRL §4.1.3; SASRec, ICDM 2018).

    L = −Σ_k y_k log π(i_k | s) / Σ_k y_k,   π(· | s) = softmax over all active items of ⟨c(0), W x_i⟩ / √d

As published: the state is the likes before, the target the likes that follow; refusals and rewards are not read. [A] The paper says no more
than "next-item"; here each like of the next logged slate is a target, in place of the very next like alone, since a slate is answered at
once. The softmax is exact, over the whole catalogue, where SASRec draws a refused item for each like.
"""

import torch
from torch import Tensor

from hsrl_train.data.world import Catalogue
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.decoding import FAR_BELOW
from hsrl_train.learner.encoder import StateEncoder
from hsrl_train.learner.methods.item_sasrec import ItemNetwork
from hsrl_train.learner.methods.method import Method
from hsrl_train.learner.methods.networked import NetworkLearner
from hsrl_train.learner.replay import Batch, Reads


class NextItem(NetworkLearner):
    """The learner: what was liked next is more probable than the rest of the catalogue. Semantic IDs are not read."""

    has_target = False

    @classmethod
    def fresh_network(cls, catalogue: Catalogue, profile_width: int, max_history: int, config: LearnerConfig) -> ItemNetwork:
        """Encoder and items; the bias of the two-sided likelihood has no say in a softmax and stays 0."""
        network = ItemNetwork(StateEncoder(catalogue.vectors.shape[1], profile_width, max_history, config.network))
        network.bias.requires_grad_(False)
        return network

    @classmethod
    def reads(cls, config: LearnerConfig) -> Reads:
        """Every answer there is."""
        return Reads(asked_items=True, logged_rows=True)

    def terms(self, batch: Batch, done_share: float) -> dict[str, Tensor]:
        """The cross-entropy; 0 where a whole batch holds no like."""
        items, answers = batch.supervision
        scores = self.network.scores(batch.state_t, self.catalogue)
        log_probs = scores.masked_fill(~self.catalogue.is_active, FAR_BELOW).log_softmax(dim=1)
        weighted = (answers * log_probs.gather(1, items)).sum()
        return {"next_item_loss": -weighted / answers.sum().clamp_min(torch.finfo(answers.dtype).eps)}


METHOD = Method(
    "next_item",
    NextItem,
    NextItem.read,
    fixed={"network": {"uses_refusals": False}, "losses": {"answers": "logged"}, "search": {"n_rounds": 0}},
)
