"""What can learn, by name. A method is a file and a line of ``METHODS``; docs/adding-a-method.md walks through one.

This file imports no method, so that a configuration is checked without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hsrl_train.learner.methods.method import Method

# Name → the module that defines it, as ``METHOD`` or by the name behind the colon.
METHODS = {
    "hsrl": "hsrl_train.learner.methods.hsrl",
    "item_sasrec": "hsrl_train.learner.methods.item_sasrec",
    "token_sasrec": "hsrl_train.learner.methods.token_sasrec",
    "item_sasrec_log": "hsrl_train.learner.methods.item_sasrec:FROM_LOG",
    "token_sasrec_log": "hsrl_train.learner.methods.token_sasrec:FROM_LOG",
    "sl_offline": "hsrl_train.learner.methods.item_sasrec:SL_OFFLINE",
    "sl_online": "hsrl_train.learner.methods.item_sasrec:SL_ONLINE",
    "next_item": "hsrl_train.learner.methods.next_item",
    "a2c": "hsrl_train.learner.methods.a2c",
    "item_a2c": "hsrl_train.learner.methods.item_a2c",
    "slateq": "hsrl_train.learner.methods.slateq",
    "tpgr": "hsrl_train.learner.methods.tpgr",
    "hg": "hsrl_train.learner.methods.hg",
    "ddpg": "hsrl_train.learner.methods.ddpg",
    "td3": "hsrl_train.learner.methods.td3",
    "td3_published": "hsrl_train.learner.methods.td3:PUBLISHED",
    "ddpg_ra": "hsrl_train.learner.methods.ddpg_ra",
    "pg_ra": "hsrl_train.learner.methods.pg_ra",
    "hac": "hsrl_train.learner.methods.hac",
    "gfn4rec": "hsrl_train.learner.methods.gfn4rec",
    "kgcr": "hsrl_train.learner.methods.kgcr",
    "mcchrl": "hsrl_train.learner.methods.mcchrl",
    "chirp": "hsrl_train.learner.methods.chirp",
}


def require_known(name: str) -> str:
    """The name itself.

    Raises:
        ValueError: there is no such method; names those there are.
    """
    if name not in METHODS:
        *names, last = (repr(known) for known in METHODS)
        raise ValueError(f"Input should be {', '.join(names)} or {last}")
    return name


def method_named(name: str) -> "Method":
    """The method that ``learner.method`` names."""
    module, _, attribute = METHODS[name].partition(":")
    method: Method = getattr(import_module(module), attribute or "METHOD")
    return method
