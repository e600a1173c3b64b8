"""A mirror of the authors' loop in what it costs, written from docs/protocol.md and docs/measurements.md; nothing of it learns well or is used.

What makes theirs slow is kept as it is told there: an update of three encoder forwards and three backwards (actor and critic share one
forward, the behavioural cloning has its own with an optimizer of its own, the target a third), dropout of 0.1 on everywhere also in
targets, acting and the simulator, whole transformer layers over all H positions without a padding mask, every item of every history
projected anew from its vector, the simulator in training mode without frozen projections, and transitions stored, stacked and refilled
one by one in Python. Sizes are the protocol's: d = 32, 2 layers, 4 heads, critic 256–64, 32 sessions,
64 samples an update.
"""

import random
from collections import deque
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.iteration.world import LEVELS, VOCABULARY, K, World
from hsrl_train.data.world import State
from hsrl_train.simulator.environment import extend_history

WIDTH, LAYERS, HEADS, DROPOUT = 32, 2, 4, 0.1
SESSIONS, BATCH, CAPACITY = 32, 64, 100_000
GAMMA, POLYAK, ENTROPY = 0.9, 0.01, 0.1


class Actor(nn.Module):
    """SASRec with dropout, a head and a token table a level."""

    def __init__(self, item_width: int, profile_width: int, history: int) -> None:
        super().__init__()
        self.item = nn.Linear(item_width, WIDTH)
        self.position = nn.Embedding(history, WIDTH)
        self.dropout = nn.Dropout(DROPOUT)
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, DROPOUT, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.user = nn.Linear(profile_width, WIDTH)
        self.state = nn.Linear(2 * WIDTH, WIDTH)
        self.heads = nn.ModuleList(nn.Linear(WIDTH, VOCABULARY) for _ in range(LEVELS))
        self.tables = nn.ModuleList(nn.Embedding(VOCABULARY, WIDTH) for _ in range(LEVELS))
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(LEVELS))
        self.register_buffer("mask", torch.triu(torch.ones(history, history, dtype=torch.bool), diagonal=1))

    def forward(self, profile: Tensor, vectors: Tensor) -> tuple[list[Tensor], Tensor]:
        """Probabilities of each level, and the L + 1 contexts."""
        x = self.dropout(self.item(vectors) + self.position.weight)
        hidden = self.layers(x, mask=self.mask)[:, -1]
        context = self.state(torch.cat([hidden, self.user(profile)], dim=1))
        contexts, probabilities = [context], []
        for head, table, norm in zip(self.heads, self.tables, self.norms, strict=True):
            probabilities.append(torch.softmax(head(context), dim=1))
            context = norm(context - probabilities[-1] @ cast(Tensor, table.weight))
            contexts.append(context)
        return probabilities, torch.stack(contexts, dim=1)


class Critic(nn.Module):
    """A value for each context, averaged: its weights are in no optimizer."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Sequential(
            nn.Linear(WIDTH, 256),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
            nn.Linear(256, 64),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
            nn.Linear(64, 1),
        )

    def forward(self, contexts: Tensor) -> Tensor:
        """V(s)."""
        return self.value(contexts).squeeze(-1).mean(dim=1)


class Sample(NamedTuple):
    """A transition."""

    profile: Tensor
    history: Tensor
    slate: Tensor
    feedback: Tensor
    reward: Tensor
    done: Tensor
    next_history: Tensor


class AuthorsLoop:
    """Sessions, replay and update; ``iterate`` does one of each.

    Args:
        world: what it plays in.
        learn_after: samples before the first update.
        seed: of everything.
    """

    def __init__(self, world: World, learn_after: int, seed: int) -> None:
        torch.manual_seed(seed)
        self.world, self.learn_after = world, learn_after
        self.vectors, self.tokens = world.catalogue.vectors, world.catalogue.tokens
        sizes = (self.vectors.shape[1], world.records.profiles.shape[1], world.records.history_length)
        self.actor, self.target = Actor(*sizes), Actor(*sizes)
        self.critic, self.target_critic = Critic(), Critic()
        self.target.load_state_dict(self.actor.state_dict())
        self.target_critic.load_state_dict(self.critic.state_dict())
        self.actor_optimizer, self.bc_optimizer = (torch.optim.Adam(self.actor.parameters(), lr=lr) for lr in (5e-5, 1e-3))
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), lr=1e-3)
        self.simulator = world.simulator.train()
        self.replay: deque[Sample] = deque(maxlen=CAPACITY)
        self.random = random.Random(seed)  # noqa: S311  (no secret)
        rows = torch.randint(len(world.records), (SESSIONS,))
        self.profile, self.history = world.records.profiles[world.records.user[rows]], world.records.history[rows]
        self.temper, self.n_steps = torch.full((SESSIONS,), 20.0), torch.zeros(SESSIONS)

    def iterate(self) -> None:
        """A slate for every session, then an update."""
        before = self.history
        with torch.no_grad():
            probabilities, _ = self.actor(self.profile, self.vectors[before])
            slate = self._scores(probabilities).topk(K, dim=1).indices + 1
            feedback = (torch.rand(slate.shape) < torch.sigmoid(self.simulator(State(self.profile, self.history), slate))).float()
        reward = (feedback - 0.1 * (1 - feedback)).mean(dim=1)
        self.temper -= K * (1 - reward) + 1
        self.n_steps += 1
        done = (self.temper < 1) | (self.n_steps >= 20)
        self.history = extend_history(self.history, slate, feedback)
        for b in range(SESSIONS):
            after = self.history[b].clone()
            kept = (self.profile[b].clone(), before[b], slate[b], feedback[b], reward[b], done[b].float(), after)
            self.replay.append(Sample(*kept))
            if done[b]:
                self._refill(b)
        if len(self.replay) >= self.learn_after:
            self._update(Sample(*map(torch.stack, zip(*self.random.sample(self.replay, BATCH), strict=True))))

    def _scores(self, probabilities: list[Tensor]) -> Tensor:
        """Product of the tokens' probabilities, for every item."""
        scores = torch.ones(len(probabilities[0]), len(self.tokens) - 1)
        for level, of_level in enumerate(probabilities):
            scores = scores * of_level[:, self.tokens[1:, level]]
        return scores

    def _refill(self, b: int) -> None:
        row = self.random.randrange(len(self.world.records))
        self.profile[b] = self.world.records.profiles[self.world.records.user[row]]
        self.history[b] = self.world.records.history[row]
        self.temper[b], self.n_steps[b] = 20.0, 0

    def _update(self, batch: Sample) -> None:
        tokens = self.tokens[batch.slate]
        probabilities, contexts = self.actor(batch.profile, self.vectors[batch.history])
        with torch.no_grad():
            _, next_contexts = self.target(batch.profile, self.vectors[batch.next_history])
            target = batch.reward + GAMMA * (1 - batch.done) * self.target_critic(next_contexts)
        value = self.critic(contexts)
        critic_loss = functional.mse_loss(value, target)
        self.critic_optimizer.zero_grad()
        critic_loss.backward(retain_graph=True)
        log_probs = torch.stack([p.log().gather(1, tokens[:, :, level]) for level, p in enumerate(probabilities)]).sum(dim=0)
        advantage = (target - value).detach().clamp(-1, 1)
        entropy = torch.stack([-(p * p.log()).sum(dim=1).mean() for p in probabilities]).mean()
        actor_loss = -(advantage * log_probs.mean(dim=1)).mean() - ENTROPY * entropy
        self.actor_optimizer.zero_grad()
        actor_loss.backward()
        self.critic_optimizer.step()
        self.actor_optimizer.step()
        self._clone(batch, tokens)
        self._follow()

    def _clone(self, batch: Sample, tokens: Tensor) -> None:
        """Behavioural cloning: its own forward, backward and optimizer."""
        probabilities, _ = self.actor(batch.profile, self.vectors[batch.history])
        chosen = torch.stack([p.gather(1, tokens[:, :, level]) for level, p in enumerate(probabilities)]).prod(dim=0)
        self.bc_optimizer.zero_grad()
        functional.binary_cross_entropy(chosen.clamp(1e-8, 1 - 1e-6), batch.feedback).backward()
        self.bc_optimizer.step()

    def _follow(self) -> None:
        for slow, fast in ((self.target, self.actor), (self.target_critic, self.critic)):
            for target, current in zip(slow.parameters(), fast.parameters(), strict=True):
                target.data.copy_(POLYAK * current.data + (1 - POLYAK) * target.data)
