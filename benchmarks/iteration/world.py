"""A world of the size of ML-1M, made of random numbers: what an iteration costs does not depend on who likes what."""

from dataclasses import dataclass

import torch

from hsrl_train.data.world import Catalogue, Records
from hsrl_train.simulator.config import EnvironmentConfig, SimulatorConfig
from hsrl_train.simulator.environment import Environment
from hsrl_train.simulator.response import FrozenResponse, UserResponse

# ML-1M: items rated, users, train records, width of an item's vector and of a profile.
N_ITEMS, N_USERS, N_RECORDS, ITEM_WIDTH, PROFILE_WIDTH = 3706, 6040, 75_470, 65, 30
K, H, LEVELS, VOCABULARY = 10, 50, 3, 64


@dataclass(frozen=True)
class World:
    """Records, items, and a simulator that nothing was fitted to.

    Attributes:
        records: train records with whole histories.
        catalogue: all items with a Semantic ID.
        simulator: its weights are random, its cost is a fitted one's.
        environment: of that simulator.
    """

    records: Records
    catalogue: Catalogue
    simulator: UserResponse
    environment: Environment


def random_world(seed: int) -> World:
    """The same numbers for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(N_ITEMS + 1, ITEM_WIDTH, generator=generator)
    vectors[0] = 0
    tokens = torch.randint(VOCABULARY, (N_ITEMS + 1, LEVELS), generator=generator)
    tokens[0] = -1
    catalogue = Catalogue(
        item_ids=torch.arange(1, N_ITEMS + 1).numpy(),
        vectors=vectors,
        tokens=tokens,
        vocabulary=(VOCABULARY,) * LEVELS,
        is_active=torch.arange(N_ITEMS + 1) > 0,
        popularity=torch.rand(N_ITEMS + 1, generator=generator),
    )
    records = Records.of(
        user=torch.randint(N_USERS, (N_RECORDS,), generator=generator),
        exposed=torch.randint(1, N_ITEMS + 1, (N_RECORDS, K), generator=generator),
        feedback=torch.randint(2, (N_RECORDS, K), generator=generator).float(),
        history=torch.randint(1, N_ITEMS + 1, (N_RECORDS, H), generator=generator),
        is_train=torch.ones(N_RECORDS, dtype=torch.bool),
        profiles=torch.randn(N_USERS, PROFILE_WIDTH, generator=generator),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        simulator = UserResponse(catalogue, PROFILE_WIDTH, SimulatorConfig())
    environment = Environment([FrozenResponse(simulator, catalogue)], EnvironmentConfig(repeats="allowed"))
    return World(records, catalogue, simulator, environment)
