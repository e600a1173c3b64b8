"""Learning a decoder for so many CPU seconds, the weights of the best validation kept."""

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch

from benchmarks.retrieval.log import LEFT_OUT, Ints, Sequences
from benchmarks.retrieval.network import Codes, Decoder, DecoderConfig
from benchmarks.retrieval.ranking import ndcg, next_item_ranks, padded

VALIDATING = 2
_BATCH_PLACES = 1_024  # users by the length they are padded to
_POOL_USERS = 4_096  # sorted by length together, so that little is padding
_WARM_SHARE = 0.03


@dataclass(frozen=True)
class Trial:
    """How a decoder is learned.

    Attributes:
        learning_rate: of Adam, at its highest; it rises over the first 3 % of the time and falls to 0 over the rest.
        cpu_seconds: of the steps; validating is not counted.
        seed: of weights, order and dropout.
        n_checks: validations, evenly spread over the time; the weights of the best are kept.
        network: sizes.
    """

    learning_rate: float
    cpu_seconds: float
    seed: int
    n_checks: int = 4
    network: DecoderConfig = field(default_factory=DecoderConfig)


@dataclass(frozen=True)
class Learned:
    """A decoder and how it came about.

    Attributes:
        decoder: the weights of the best validation, in evaluation mode.
        validation: NDCG@10 of each check, a Semantic ID's probability shared by popularity.
        n_steps: steps of Adam.
        n_epochs: how often the log was gone through.
    """

    decoder: Decoder
    validation: list[float]
    n_steps: int
    n_epochs: float


def learn(
    codes: Codes, sequences: Sequences, trial: Trial, validating_users: Ints, history_codes: Codes | None = None
) -> Learned:
    """Learn to say what comes next, at every place of what is learned from.

    Args:
        codes: what the next item is written in.
        sequences: the log; the last two items of each user are not learned from.
        trial: how.
        validating_users: whose last-but-one item decides which weights are kept.
        history_codes: what the history is written in; None: the same.
    """
    torch.manual_seed(trial.seed)
    decoder = Decoder(codes, trial.network, history_codes)
    optimizer = torch.optim.Adam(decoder.parameters(), lr=trial.learning_rate, betas=(0.9, 0.98), fused=True)
    draw, spent, n_steps, n_users, validation = np.random.default_rng(trial.seed), 0.0, 0, 0, list[float]()
    best = copy.deepcopy(decoder.state_dict())
    for batch in batches(sequences, trial.network.max_history, draw):
        began = time.process_time()
        step(decoder, optimizer, batch, trial.learning_rate * rate(spent / trial.cpu_seconds))
        n_steps, n_users = n_steps + 1, n_users + len(batch)
        spent += time.process_time() - began
        if spent >= trial.cpu_seconds * (len(validation) + 1) / trial.n_checks:
            decoder.eval()
            ranks = next_item_ranks(decoder, sequences, VALIDATING, validating_users)
            validation.append(float(ndcg(ranks.popularity, 10).mean()))
            if validation[-1] >= max(validation):
                best = copy.deepcopy(decoder.state_dict())
            if spent >= trial.cpu_seconds:
                break
            decoder.train()
    decoder.load_state_dict(best)
    return Learned(decoder, validation, n_steps, n_users / sequences.n_users)


def step(decoder: Decoder, optimizer: torch.optim.Optimizer, batch: torch.Tensor, learning_rate: float) -> float:
    """A step on a batch of users, (b, h + 1) item numbers; the loss in nats."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    following = batch[:, 1:]
    is_item = following > 0
    loss = decoder.loss(decoder.states(batch[:, :-1])[is_item], following[is_item])
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(decoder.parameters(), 5.0)
    optimizer.step()
    return float(loss.detach())


def rate(share: float) -> float:
    """Of the highest learning rate, when this share of the time is spent."""
    return min((share + 1e-3) / _WARM_SHARE, max(1.0 - share, 0.0))


def batches(sequences: Sequences, max_history: int, draw: np.random.Generator) -> Iterator[torch.Tensor]:
    """Users without end, each once in every pass that has something to learn from; the newest ``max_history`` + 1 items.

    A batch is users of like lengths, as many as fill its places, so that one of short sequences tells as much as one of long ones.
    """
    rows = [sequences.of(user, LEFT_OUT)[-max_history - 1 :] for user in range(sequences.n_users)]
    usable = [row for row in rows if len(row) > 1]
    if not usable:
        raise ValueError(f"retrieval: none of {len(rows)} users has four events, expected some to learn from")
    while True:
        order, made = draw.permutation(len(usable)), list[list[int]]()
        for pool in np.split(order, range(_POOL_USERS, len(order), _POOL_USERS)):
            batch = list[int]()
            for row in sorted(pool.tolist(), key=lambda number: len(usable[number])):
                if len(batch) * (len(usable[row]) - 1) >= _BATCH_PLACES:
                    made.append(batch)
                    batch = []
                batch.append(row)
            made.append(batch)
        for number in draw.permutation(len(made)):
            yield padded([usable[row] for row in made[number]])
