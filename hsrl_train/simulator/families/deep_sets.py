"""Deep sets: a user is the sum of what he liked and the sum of what he refused, whatever their order."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F  # noqa: N812  (the name everyone knows it by)
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from hsrl_train.data.weights import load_module, module_tensors
from hsrl_train.data.world import PADDING, Catalogue, Records, State, states_of
from hsrl_train.simulator.config import SimulatorConfig
from hsrl_train.simulator.environment import answered
from hsrl_train.simulator.families.family import Family, Progress
from hsrl_train.simulator.surprise import Evidence, gather_evidence, shown_before
from pipeline.errors import TrainingError

# On held-out ML-1M a width of 32 or a third epoch ranks by less than .001 of AUC better.
WIDTH = 16
HIDDEN = 64
LEARNING_RATE = 4e-3
N_EPOCHS = 2
# Records in an update: at most 512, fewer where a pass would be less than 150 updates, at least 16.
SMALLEST_BATCH, LARGEST_BATCH, UPDATES_IN_A_PASS = 16, 512, 150
# Weight of the squared drift in the loss. On ML-1M it takes .004 of AUC and half of the drift, and calibrates better.
DRIFT_PENALTY = 20.0
# What is shown in a row to measure it, to how many users of a batch, and how many items the model's own best are picked among.
DRIFT_SLATES, DRIFT_USERS, DRIFT_POOL = 4, 64, 100
# Items shown before at which the sums no longer grow but turn to means.
FULL_MEMORY = 10.0
# Brings mean surprises, about ±.2, to the size of the other inputs.
SURPRISE_SCALE = 5.0


class DeepSets(nn.Module):
    """Two sums over the items shown before, matched with what is shown.

        l = Σ_liked (1 − rate_p) h_p / (1 + n / 10),   r = Σ_refused rate_p h_p / (1 + n / 10)
        (q, a) = MLP(l, r, profile, mean surprise),   logit_i = ⟨q, x_i⟩ + b_i + a

    h and x are an embedding by id plus a linear map of the item's vector, so that an item never shown has something. An
    answer that was to be expected weighs little (Zaheer et al. 2017; the weights are ours).

    Args:
        evidence: like-rates of the items; held fixed.
        catalogue: its vectors are held fixed and stay outside the state dict.
        profile_width: u.
    """

    vectors: Float[Tensor, "n_plus_1 d"]
    rate: Float[Tensor, " n_plus_1"]
    n_shown: Float[Tensor, " n_plus_1"]
    profile: Float[Tensor, " u"]

    def __init__(self, evidence: Evidence, catalogue: Catalogue, profile_width: int) -> None:
        super().__init__()
        for name, part in evidence._asdict().items():
            self.register_buffer(name, part)
        self.register_buffer("vectors", catalogue.vectors, persistent=False)
        n_rows, d = catalogue.vectors.shape
        self.shown_by_id, self.shown_by_vector = nn.Embedding(n_rows, WIDTH), nn.Linear(d, WIDTH, bias=False)
        self.item_by_id, self.item_by_vector = nn.Embedding(n_rows, WIDTH), nn.Linear(d, WIDTH, bias=False)
        for table in (self.shown_by_id, self.item_by_id):
            nn.init.normal_(table.weight, std=0.01)
        self.item_bias = nn.Parameter(torch.logit(evidence.rate, eps=1e-3))
        n_inputs = 2 * WIDTH + profile_width + 2
        self.hidden = nn.Sequential(nn.Linear(n_inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, WIDTH + 1))
        self.direct = nn.Linear(n_inputs, WIDTH + 1)

    def forward(self, state: State, slate: Int[Tensor, "b k"]) -> Float[Tensor, "b k"]:
        """Logits of the shown items, for fitting; only those are embedded."""
        items = self.item_by_id(slate) + self.item_by_vector(self.vectors[slate])
        q, bias = self.interest(state, self.shown())
        return torch.einsum("bw,bkw->bk", q, items) + self.item_bias[slate] + bias

    @property
    def evidence(self) -> Evidence:
        """Like-rates of the items and what profiles let expect."""
        return Evidence(self.rate, self.n_shown, self.profile)

    def shown(self) -> Float[Tensor, "n_plus_1 w"]:
        """h of every item."""
        return self.shown_by_id.weight + self.shown_by_vector(self.vectors)

    def items(self) -> Float[Tensor, "n_plus_1 w"]:
        """x of every item."""
        return self.item_by_id.weight + self.item_by_vector(self.vectors)

    def interest(self, state: State, shown: Float[Tensor, "n_plus_1 w"]) -> tuple[Float[Tensor, "b w"], Float[Tensor, "b 1"]]:
        """q and a of each user; ``shown`` is h of every item."""
        inputs = torch.cat([*self._sums(state, shown), state.profile, self.evidence.user_features(state) * SURPRISE_SCALE], dim=1)
        output = self.hidden(inputs) + self.direct(inputs)
        return output[:, :-1], output[:, -1:]

    def _sums(self, state: State, shown: Float[Tensor, "n_plus_1 w"]) -> tuple[Float[Tensor, "b w"], Float[Tensor, "b w"]]:
        """l and r; padding is left out beforehand, which halves the work on logs of short sessions."""
        recent, surprises = shown_before(state), self.evidence.surprises(state)
        is_item = recent != PADDING
        n_shown = is_item.sum(dim=1)
        ids, surprises, starts = recent[is_item].abs(), surprises[is_item], n_shown.cumsum(0) - n_shown

        def bag(weights: Float[Tensor, " n_all"]) -> Float[Tensor, "b w"]:
            sums = F.embedding_bag(ids, shown, starts, per_sample_weights=weights, mode="sum")
            return sums / (1 + n_shown[:, None] / FULL_MEMORY)

        return bag(surprises.clamp_min(0)), bag((-surprises).clamp_min(0))


class DeepSetsResponse:
    """Fitted deep sets as the environment asks them; they read ``state.recent`` at every step and draw no tastes.

    Implements :class:`hsrl_train.data.world.ResponseModel`.
    """

    def __init__(self, module: DeepSets, catalogue: Catalogue) -> None:
        self.module = module.eval()
        self._is_hidden = ~catalogue.is_active
        with torch.no_grad():
            self.shown, self.items = module.shown(), module.items()

    def to(self, device: str) -> "DeepSetsResponse":
        """Move all tensors there."""
        self.module.to(device)
        self.shown, self.items, self._is_hidden = self.shown.to(device), self.items.to(device), self._is_hidden.to(device)
        return self

    def tastes(self, state: State, generator: torch.Generator) -> Float[Tensor, "b 0"]:
        """Nothing of this user is drawn."""
        return state.profile.new_zeros(len(state.profile), 0)

    @torch.no_grad()
    def logits(self, state: State, slate: Int[Tensor, "b k"], tastes: Float[Tensor, "b t"] | None = None) -> Float[Tensor, "b k"]:
        """Log-odds of a like for each shown item."""
        q, bias = self.module.interest(state, self.shown)
        return torch.einsum("bw,bkw->bk", q, self.items[slate]) + self.module.item_bias[slate] + bias

    @torch.no_grad()
    def all_logits(self, state: State, tastes: Float[Tensor, "b t"] | None = None) -> Float[Tensor, "b n_plus_1"]:
        """The same for every item; -inf for padding and inactive items."""
        q, bias = self.module.interest(state, self.shown)
        return (q @ self.items.T + self.module.item_bias + bias).masked_fill(self._is_hidden, -torch.inf)


def fit(
    records: Records, catalogue: Catalogue, config: SimulatorConfig, seed: int, progress: Progress | None
) -> dict[str, Tensor]:
    """Adam at a constant rate, then falling linearly to 0 over the second half of the updates.

    Args:
        records: those to fit on.
        catalogue: the items they name.
        config: not read; this family has no settings.
        seed: decides initial weights and order.
        progress: called with (updates done, updates in all).

    Raises:
        TrainingError: the loss is no longer a number.
    """
    evidence = gather_evidence(records, len(catalogue.item_ids), torch.ones(len(records.profiles)))
    # Layers draw their weights from torch's own stream: it is lent for the fit and given back as it was.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = DeepSets(evidence, catalogue, records.profiles.shape[1])
        _descend(module, records, catalogue, progress)
    return module_tensors(module)


def _descend(module: DeepSets, records: Records, catalogue: Catalogue, progress: Progress | None) -> None:
    optimizer = torch.optim.Adam(module.parameters(), lr=LEARNING_RATE, fused=True)
    n = len(records)
    size = min(max(n // UPDATES_IN_A_PASS, SMALLEST_BATCH), LARGEST_BATCH)
    orders = [torch.randperm(n, dtype=torch.int32) for _ in range(N_EPOCHS)]
    n_batches = N_EPOCHS * -(-n // size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n_done: min(1.0, 2 * (1 - n_done / n_batches)))
    batches = (batch.long() for order in orders for batch in order.split(size))
    for n_done, batch in enumerate(batches, start=1):
        picked = records.select(batch)
        state, exposed = states_of(picked), picked.exposed
        loss = F.binary_cross_entropy_with_logits(module(state, exposed), picked.feedback)
        loss = loss + DRIFT_PENALTY * squared_drift(module, state, exposed, catalogue.is_active)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"simulator: the loss of update {n_done} of {n_batches} is {loss.item()}, expected a number; "
                "check the item vectors and profiles"
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if progress is not None:
            progress(n_done, n_batches)


def squared_drift(
    module: DeepSets, state: State, exposed: Int[Tensor, "b k"], is_active: Bool[Tensor, " n_plus_1"]
) -> Float[Tensor, ""]:
    """(E_y[p'_j] − p_j)² after some slates that the model answers itself, in the mean over users and items j.

    By the product of two draws apart, as the audit has it (hsrl_train.simulator.martingale); draws from torch's own stream. Half of
    the users are shown slates of others, half what the model holds best of the batch's items; gradients stop at the answers.

    Args:
        module: the model.
        state: of the batch; its first users are asked.
        exposed: slates of the batch.
        is_active: items to ask about, beside those of other slates.
    """
    b, k = len(exposed), exposed.shape[1]
    users = state.select(torch.arange(min(b, DRIFT_USERS)))
    n = len(users.profile)
    shown = exposed[torch.randint(b, (n, DRIFT_SLATES))].flatten(1)
    active = is_active.nonzero().squeeze(1)
    asked = torch.cat([exposed[torch.randint(b, (n,))], active[torch.randint(len(active), (n, k))]], dim=1)
    with torch.no_grad():
        pool = exposed.flatten()[torch.randint(b * k, (n, max(DRIFT_POOL, shown.shape[1])))]
        best = pool.gather(1, module(users, pool).topk(shown.shape[1], dim=1).indices)
        shown = torch.where(torch.arange(n)[:, None] % 2 == 0, best, shown)
    p, of_shown = torch.sigmoid(module(users, torch.cat([asked, shown], dim=1))).split([asked.shape[1], shown.shape[1]], dim=1)
    after = [answered(users, shown, (torch.rand_like(of_shown) < of_shown).float()) for _ in range(2)]
    first, second = (torch.sigmoid(module(state, asked)) - p for state in after)
    return (first * second).mean()


def read(tensors: Mapping[str, Tensor], catalogue: Catalogue, profile_width: int, config: SimulatorConfig) -> DeepSetsResponse:
    """The model that :func:`fit` stored.

    Raises:
        TrainingError: the tensors are those of other items or profiles.
    """
    n = len(catalogue.vectors)
    with torch.random.fork_rng(devices=[]):  # weights are drawn before they are replaced, and torch's own stream is not ours
        module = DeepSets(Evidence(torch.zeros(n), torch.zeros(n), torch.zeros(profile_width)), catalogue, profile_width)
    load_module(module, tensors, "simulator")
    return DeepSetsResponse(module, catalogue)


FAMILY = Family("deep_sets", fit, read, fitted_as="deep_sets")
