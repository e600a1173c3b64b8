"""The decoder: a causal transformer over what a user had, then the tokens of the next item, coarse to fine, under the trie's mask."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from hsrl_train.learner.encoder import CausalBlock
from pipeline.sids.trie import Trie

# A level of more codes than this is learned against a sample of them: a softmax over 12,101 items would take most of a row's time.
MOST_CODES = 1_024


@dataclass(frozen=True)
class DecoderConfig:
    """Sizes of the network, the same for every kind of codes.

    Attributes:
        width: d of the embeddings and the state.
        n_blocks: of the transformer.
        n_heads: of each block.
        max_history: newest items of a user that are looked at.
        dropout: share of the inputs and states that is set to 0 while learning.
    """

    width: int = 64
    n_blocks: int = 2
    n_heads: int = 2
    max_history: int = 50
    dropout: float = 0.2


class Codes:
    """The codes of a catalogue, and what may follow each prefix.

    Args:
        tokens: (n, L), tokens[:, l] in [0, V_l).
        vocabulary: V_l.
        popularity: (n,) whose turn is first among items that share a Semantic ID.
    """

    def __init__(self, tokens: npt.NDArray[np.uint16], vocabulary: tuple[int, ...], popularity: npt.NDArray[np.int64]) -> None:
        self.tokens, self.vocabulary = tokens, vocabulary
        slots = np.empty(len(tokens), dtype=np.uint32)
        slots[np.argsort(-popularity, kind="stable")] = np.arange(len(tokens))
        self.trie = Trie.of(tokens, slots, vocabulary)
        self.leaf = self.trie.nodes(tokens) - self.trie.level_start[-2]
        self.popularity = popularity

    @property
    def n_levels(self) -> int:
        """L."""
        return len(self.vocabulary)

    def with_padding(self) -> Int[Tensor, "n_plus_1 levels"]:
        """The tokens by item number; those of number 0, which is no item, are never read."""
        return torch.from_numpy(np.vstack([np.zeros_like(self.tokens[:1]), self.tokens]).astype(np.int64))


class Decoder(nn.Module):
    """p(z | history) = Π_l p(z_l | z_<l, history) over the Semantic IDs that some item has.

        x_i = Σ_l E_l[z_l(i)],    s = Transformer(x + position),    q_l = FF_l(s + Σ_{m<l} E_m[z_m]),
        p(z_l = v | …) = softmax over the v that the trie allows of ⟨q_l, E_l[v]⟩

    Plain item numbers are the case L = 1, which is SASRec with a softmax in place of its one negative item.

    Args:
        codes: what the next item is written in; nothing else is known of an item.
        config: sizes.
        history_codes: what the history is written in, with embeddings of its own; None: the same codes and the same embeddings.
    """

    def __init__(self, codes: Codes, config: DecoderConfig, history_codes: Codes | None = None) -> None:
        super().__init__()
        self.codes, self.config = codes, config
        self.tokens = codes.with_padding()
        self.history_tokens = (history_codes or codes).with_padding()
        # what may stand at each level behind an item's own prefix; at the first it is the same for all
        self.allowed = [
            torch.from_numpy(codes.trie.mask(codes.tokens[: None if level else 1, :level])) for level in range(codes.n_levels)
        ]
        width = config.width
        self.embeddings = nn.ModuleList(nn.Embedding(n_codes, width) for n_codes in codes.vocabulary)
        self.position = nn.Embedding(config.max_history, width)
        self.blocks = nn.ModuleList(CausalBlock(width, config.n_heads) for _ in range(config.n_blocks))
        self.norm = nn.LayerNorm(width)
        self.heads = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
            for _ in codes.vocabulary
        )
        self.dropout = nn.Dropout(config.dropout)
        own = None if history_codes is None else history_codes.vocabulary
        self.history_embeddings = nn.ModuleList(nn.Embedding(n_codes, width) for n_codes in own) if own else self.embeddings
        for table in (*self.embeddings, *self.history_embeddings, self.position):
            nn.init.normal_(table.weight, std=0.05)

    def states(self, history: Int[Tensor, "b h"]) -> Float[Tensor, "b h d"]:
        """The state after each item of the histories, which stand on the left and are padded with 0 on the right."""
        tokens = self.history_tokens[history]
        x = self.position(torch.arange(history.shape[1])).expand(len(history), -1, -1)
        for level, table in enumerate(self.history_embeddings):
            x = x + table(tokens[..., level])
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x)
        state: Tensor = self.dropout(self.norm(x))
        return state

    def query(self, states: Float[Tensor, "r d"], prefixes: Int[Tensor, "r p"]) -> Float[Tensor, "r d"]:
        """q_l of level l = p + 1."""
        x = states
        for level in range(prefixes.shape[1]):
            x = x + self.embeddings[level](prefixes[:, level])
        query: Tensor = x + self.heads[prefixes.shape[1]](x)
        return query

    def log_probs(self, states: Float[Tensor, "r d"], prefixes: Int[Tensor, "r p"]) -> Float[Tensor, "r codes"]:
        """Of the next token; −∞ where no item has the prefix and that token."""
        level = prefixes.shape[1]
        allowed = torch.from_numpy(self.codes.trie.mask(prefixes.numpy()))
        logits = self.query(states, prefixes) @ self.embeddings[level].weight.T
        return logits.masked_fill_(~allowed, -1e9).log_softmax(dim=1).masked_fill_(~allowed, -torch.inf)

    def loss(self, states: Float[Tensor, "r d"], items: Int[Tensor, " r"]) -> Float[Tensor, ""]:
        """−log p of the items that followed, in nats, mean over them."""
        tokens, losses = self.tokens[items], []
        for level, n_codes in enumerate(self.codes.vocabulary):
            query, wanted = self.query(states, tokens[:, :level]), tokens[:, level]
            table = self.embeddings[level]
            if n_codes > MOST_CODES:
                losses.append(sampled_loss(query, wanted, table.weight))
                continue
            allowed = self.allowed[level][items - 1] if level else self.allowed[0]
            losses.append(functional.cross_entropy((query @ table.weight.T).masked_fill(~allowed, -1e9), wanted))
        return torch.stack(losses).sum()


def sampled_loss(query: Float[Tensor, "r d"], wanted: Int[Tensor, " r"], table: Float[Tensor, "v d"]) -> Float[Tensor, ""]:
    """−log p of the wanted codes with the sum over all others estimated from m of them, drawn alike, for all rows the same.

    −log p ≈ log(exp(u) + (v − 1) / m · Σ_drawn exp(u_j)) − u; a drawn code that is the wanted one counts 0.
    """
    n_codes, n_drawn = len(table), MOST_CODES
    drawn = torch.randint(n_codes, (n_drawn,))
    right = (query * table[wanted]).sum(dim=1, keepdim=True)
    others = query @ table[drawn].T + float(np.log((n_codes - 1) / n_drawn))
    others = others.masked_fill(drawn == wanted[:, None], -1e9)
    return functional.cross_entropy(torch.cat([right, others], dim=1), torch.zeros_like(wanted))
