"""Kinds of simulated users, by name. A family is a file and a line of ``FAMILIES``.

This file imports no family, so that a configuration is checked without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hsrl_train.simulator.families.family import Family

# Name → the module that defines it as ``FAMILY``.
FAMILIES = {
    "latent": "hsrl_train.simulator.families.latent",
    "attention": "hsrl_train.simulator.families.attention",
    "frozen_attention": "hsrl_train.simulator.families.frozen_attention",
    "factorisation": "hsrl_train.simulator.families.factorisation",
    "trees": "hsrl_train.simulator.families.trees",
    "deep_sets": "hsrl_train.simulator.families.deep_sets",
}


def require_known(name: str) -> str:
    """The name itself.

    Raises:
        ValueError: there is no such family; names those there are.
    """
    if name not in FAMILIES:
        *names, last = (repr(known) for known in FAMILIES)
        raise ValueError(f"Input should be {', '.join(names)} or {last}")
    return name


def family_named(name: str) -> "Family":
    """The family that ``simulator.family`` names."""
    family: Family = import_module(FAMILIES[name]).FAMILY
    return family
