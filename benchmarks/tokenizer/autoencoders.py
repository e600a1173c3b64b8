"""RQ-VAE and FSQ, small: networks that learn their tokens with a gradient, seeded, one thread."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from pipeline.sids.seeding import kmeans_plus_plus

Matrix = npt.NDArray[np.float32]
Tokens = npt.NDArray[np.uint16]
BATCH_ROWS, EPOCHS, LEAST_STEPS = 1_024, 12, 30
COMMITMENT = 0.25  # TIGER's β
LATENT_WIDTH = 32  # TIGER's
RATE = 1e-3
# Rounded coordinates of a token, by its number of codes
CELLS = {256: (8, 8, 4), 64: (4, 4, 4), 16: (4, 4)}


def _steps(n: int, effort: float) -> int:
    return max(LEAST_STEPS, round(effort * EPOCHS * n / BATCH_ROWS))


def _layers(*widths: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    pairs = list(itertools.pairwise(widths))
    parts: list[nn.Module] = []
    for number, (before, after) in enumerate(pairs):
        parts += [nn.Linear(before, after)] + ([nn.ReLU()] if number < len(pairs) - 1 else [])
    return nn.Sequential(*parts)


class RqVae(nn.Module):
    """Encoder, residual codes with commitment, decoder (van den Oord et al. 2017; Lee et al. 2022; TIGER).

    loss = ‖x − x̂‖² + Σ_l ‖sg[r_l] − e_l‖² + β ‖r_l − sg[e_l]‖²
    """

    def __init__(self, width: int, levels: int, codes: int) -> None:
        super().__init__()
        latent = min(LATENT_WIDTH, width)
        self.encoder, self.decoder = _layers(width, 2 * width, width, latent), _layers(latent, width, 2 * width, width)
        self.codes = nn.Parameter(torch.zeros(levels, codes, latent))

    def quantize(self, latent: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(b, latent) to tokens (b, L), the sum of their codes, and the loss of codes and commitment."""
        left, total, tokens = latent, torch.zeros_like(latent), []
        loss = torch.zeros(())
        for codes in self.codes:
            token = (codes.square().sum(dim=1) - 2 * left.detach() @ codes.detach().T).argmin(dim=1)
            code = codes[token]
            loss = loss + (left.detach() - code).square().sum(dim=1).mean()
            loss = loss + COMMITMENT * (left - code.detach()).square().sum(dim=1).mean()
            total, left = total + code, left - code.detach()
            tokens.append(token)
        return torch.stack(tokens, dim=1), total, loss

    def begin(self, latent: Tensor, seed: int) -> None:
        """Start every level on k-means++ of what the levels before it leave over, as TIGER does against collapse."""
        left = latent.detach().numpy()
        with torch.no_grad():
            for level in range(len(self.codes)):
                found = kmeans_plus_plus(left, None, self.codes.shape[1], seed + level)
                self.codes[level] = torch.from_numpy(found)
                nearest = ((found**2).sum(axis=1) - 2 * left @ found.T).argmin(axis=1)
                left = left - found[nearest]

    def loss(self, rows: Tensor) -> Tensor:
        """What a step lowers."""
        latent = self.encoder(rows)
        _, total, loss = self.quantize(latent)
        return (rows - self.decoder(latent + (total - latent).detach())).square().sum(dim=1).mean() + loss

    def tokens(self, rows: Tensor) -> Tensor:
        """(b, L)."""
        return self.quantize(self.encoder(rows))[0]

    def vectors(self, tokens: Tensor) -> Tensor:
        """(b, d)."""
        return self.decoder(sum(codes[tokens[:, level]] for level, codes in enumerate(self.codes)))


class Fsq(nn.Module):
    """Encoder to a few coordinates, each rounded to a few values; the rounding has gradient 1; no codebook to collapse.

    c = round(h tanh(z) + shift),   h = (cells − 1) / 2
    """

    def __init__(self, width: int, levels: int, cells: tuple[int, ...]) -> None:
        super().__init__()
        self.cells = torch.tensor(cells * levels)
        self.n_levels = levels
        self.encoder = _layers(width, 2 * width, width, len(self.cells))
        self.decoder = _layers(len(self.cells), width, 2 * width, width)

    def rounded(self, rows: Tensor) -> Tensor:
        """(b, coordinates) in 0 … cells − 1, with gradient."""
        half = (self.cells - 1) / 2
        bounded = half * torch.tanh(self.encoder(rows)) + half
        return bounded + (bounded.round() - bounded).detach()

    def _decode(self, whole: Tensor) -> Tensor:
        half = (self.cells - 1) / 2
        return self.decoder((whole - half) / half)

    def loss(self, rows: Tensor) -> Tensor:
        """What a step lowers."""
        return (rows - self._decode(self.rounded(rows))).square().sum(dim=1).mean()

    def _places(self) -> Tensor:
        """(coordinates of a token,) what each counts for."""
        cells = self.cells[: len(self.cells) // self.n_levels]
        return torch.cat([torch.ones(1, dtype=torch.int64), cells.cumprod(0)[:-1]])

    def tokens(self, rows: Tensor) -> Tensor:
        """(b, L)."""
        whole = self.rounded(rows).round().long().reshape(len(rows), self.n_levels, -1)
        return (whole * self._places()).sum(dim=2)

    def vectors(self, tokens: Tensor) -> Tensor:
        """(b, d)."""
        cells = self.cells[: len(self.cells) // self.n_levels]
        whole = (tokens[:, :, None] // self._places()) % cells
        return self._decode(whole.reshape(len(tokens), -1).float())


@dataclass(frozen=True)
class ByNetwork:
    """A trained network as a tokenizer; vectors are scaled to mean square 1 a coordinate inside."""

    network: RqVae | Fsq
    scale: float

    def encode(self, vectors: Matrix) -> Tokens:
        """(n, L)."""
        return self._chunked(lambda rows: self.network.tokens(torch.from_numpy(rows * np.float32(self.scale))), vectors).astype(
            np.uint16
        )

    def decode(self, tokens: Tokens) -> Matrix:
        """(n, d)."""
        found = self._chunked(lambda rows: self.network.vectors(torch.from_numpy(rows)), tokens.astype(np.int64))
        return (found / self.scale).astype(np.float32)

    def _chunked(self, work: Callable[[npt.NDArray], Tensor], rows: npt.NDArray) -> npt.NDArray:
        with threadpool_limits(limits=1), torch.no_grad():
            return np.concatenate([work(rows[start : start + 16_384]).numpy() for start in range(0, len(rows), 16_384)])


def fit_rqvae(vectors: Matrix, levels: int, codes: int, seed: int, effort: float = 1.0) -> ByNetwork:
    """Train an RQ-VAE: n / 1,024 · 12 · ``effort`` steps of Adam, 30 at least."""

    def begin(network: nn.Module, rows: Tensor) -> None:
        if isinstance(network, RqVae):
            network.begin(network.encoder(rows[: max(20 * codes, BATCH_ROWS)]), seed)

    return _fit(lambda width: RqVae(width, levels, codes), begin, vectors, seed, effort)


def fit_fsq(vectors: Matrix, levels: int, codes: int, seed: int, effort: float = 1.0) -> ByNetwork:
    """Train an autoencoder with rounded coordinates; as many steps as the RQ-VAE.

    Raises:
        ValueError: no cells are known for that many codes.
    """
    if codes not in CELLS:
        raise ValueError(f"fsq: {codes} codes, expected one of {sorted(CELLS)}")
    return _fit(lambda width: Fsq(width, levels, CELLS[codes]), lambda network, rows: None, vectors, seed, effort)


def _fit(
    make: Callable[[int], RqVae | Fsq], begin: Callable[[nn.Module, Tensor], None], vectors: Matrix, seed: int, effort: float
) -> ByNetwork:
    scale = float(1.0 / np.sqrt((vectors.astype(np.float64) ** 2).mean()))
    draw = np.random.default_rng(seed)
    n_steps, threads = _steps(len(vectors), effort), torch.get_num_threads()
    with threadpool_limits(limits=1), torch.random.fork_rng():
        torch.set_num_threads(1)
        torch.manual_seed(seed)
        rows = torch.from_numpy(vectors[draw.permutation(len(vectors))] * np.float32(scale))
        network = make(vectors.shape[1])
        with torch.no_grad():
            begin(network, rows)
        optimizer = torch.optim.Adam(network.parameters(), RATE)
        rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3 * RATE, total_steps=n_steps)
        for step in range(n_steps):
            at = step * BATCH_ROWS % max(len(rows) - BATCH_ROWS + 1, 1)
            loss = network.loss(rows[at : at + BATCH_ROWS])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rate.step()
        torch.set_num_threads(threads)
    return ByNetwork(network.eval(), scale)
