"""Matrix factorisation by user: whoever is in the log has factors of his own, which nothing that is shown can move."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F  # noqa: N812  (the name everyone knows it by)
from jaxtyping import Float, Int
from torch import Tensor, nn

from hsrl_train.data.weights import load_module, module_tensors
from hsrl_train.data.world import Catalogue, Records, State
from hsrl_train.simulator.config import SimulatorConfig
from hsrl_train.simulator.families.family import Family, Progress
from pipeline.errors import TrainingError

_WIDTH = 8
_N_EPOCHS = 8
# Answers of an update: so many that a pass takes some 240 updates, or a small log would be left half learned.
_N_UPDATES_A_PASS = 240
_LEAST_BATCH = 128
_LEARNING_RATE = 1e-2
# L2 on the factors of a batch, the only guard against learning the log by heart.
_PENALTY = 0.01


class Factorisation(nn.Module):
    """logit = ⟨u_user, v_item⟩ + b_user + b_item + b."""

    def __init__(self, n_users: int, n_items: int) -> None:
        super().__init__()
        self.user = nn.Embedding(n_users, _WIDTH + 1)
        self.item = nn.Embedding(n_items, _WIDTH + 1)
        self.bias = nn.Parameter(torch.zeros(()))
        for table in (self.user, self.item):
            nn.init.normal_(table.weight, std=0.1)

    def forward(self, user: Float[Tensor, "*b w"], item: Float[Tensor, "*b w"]) -> Float[Tensor, "*b"]:
        """Of rows of the two tables; the last column of each is its bias."""
        logits: Tensor = (user[..., :-1] * item[..., :-1]).sum(dim=-1) + user[..., -1] + item[..., -1] + self.bias
        return logits


class KnownUser:
    """The fitted factors as the environment asks them. Implements :class:`hsrl_train.data.world.ResponseModel`."""

    def __init__(self, module: Factorisation, catalogue: Catalogue) -> None:
        self.module = module.eval().requires_grad_(False)
        self._hidden = ~catalogue.is_active

    def to(self, device: str) -> "KnownUser":
        """Move all tensors there."""
        self.module.to(device)
        self._hidden = self._hidden.to(device)
        return self

    def tastes(self, state: State, generator: torch.Generator) -> Float[Tensor, "b w"]:
        """The user's factors; nothing is drawn."""
        if state.user is None:
            raise TrainingError(
                f"simulator: none of {len(state.history)} users is known by number, expected all of the log; family factorisation cannot answer"
            )
        factors: Tensor = self.module.user(state.user)
        return factors

    def logits(self, state: State, slate: Int[Tensor, "b k"], tastes: Float[Tensor, "b w"] | None = None) -> Float[Tensor, "b k"]:
        """Log-odds of a like for each shown item."""
        logits: Tensor = self.module(self._users(state, tastes)[:, None], self.module.item(slate))
        return logits

    def all_logits(self, state: State, tastes: Float[Tensor, "b w"] | None = None) -> Float[Tensor, "b n_plus_1"]:
        """The same for every item; -inf for padding and inactive items."""
        users, items = self._users(state, tastes), self.module.item.weight
        logits = users[:, :-1] @ items[:, :-1].T + users[:, -1:] + items[:, -1] + self.module.bias
        return logits.masked_fill(self._hidden, -torch.inf)

    def _users(self, state: State, tastes: Tensor | None) -> Tensor:
        return self.tastes(state, torch.Generator()) if tastes is None else tastes[:, : _WIDTH + 1]


def fit(
    records: Records, catalogue: Catalogue, config: SimulatorConfig, seed: int, progress: Progress | None
) -> dict[str, Tensor]:
    """Adam on the answers, its rate falling linearly to 0; ``seed`` decides initial factors and order."""
    k, n = records.k, len(records) * records.k
    size = max(n // _N_UPDATES_A_PASS, _LEAST_BATCH)
    n_batches = _N_EPOCHS * -(-n // size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = Factorisation(len(records.profiles), len(catalogue.is_active))
        orders = torch.Generator()  # goes on where the weights' numbers end
        orders.set_state(torch.random.get_rng_state())
    optimizer = torch.optim.Adam(module.parameters(), lr=_LEARNING_RATE, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n_done: 1 - n_done / n_batches)
    shuffled = (torch.randperm(n, generator=orders, dtype=torch.int32) for _ in range(_N_EPOCHS))
    batches = (batch.long() for order in shuffled for batch in order.split(size))
    for n_done, batch in enumerate(batches, start=1):
        picked, place = records.select(batch // k), (batch % k)[:, None]
        users, items = module.user(picked.user), module.item(picked.exposed.gather(1, place)[:, 0])
        liked = picked.feedback.gather(1, place)[:, 0]
        penalty = users[:, :-1].square().sum(dim=1).mean() + items[:, :-1].square().sum(dim=1).mean()
        loss = F.binary_cross_entropy_with_logits(module(users, items), liked) + _PENALTY * penalty
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        if progress is not None:
            progress(n_done, n_batches)
    return module_tensors(module)


def read(tensors: Mapping[str, Tensor], catalogue: Catalogue, profile_width: int, config: SimulatorConfig) -> KnownUser:
    """The model over the same users and items.

    Raises:
        TrainingError: the tensors are those of other items.
    """
    n_users = len(tensors["user.weight"]) if "user.weight" in tensors else 0
    with torch.random.fork_rng(devices=[]):  # factors are drawn before they are replaced, and torch's own stream is not ours
        module = Factorisation(n_users, len(catalogue.is_active))
    load_module(module, tensors, "simulator")
    return KnownUser(module, catalogue)


FAMILY = Family("factorisation", fit, read, fitted_as="factorisation")
