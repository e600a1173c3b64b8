"""The log as flat arrays, which may be mapped from files: what is asked of it becomes tensors to compute with, the rest stays there."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

PADDING = 0


@dataclass(frozen=True)
class Log:
    """n slates of K items with what came before them, in as few bytes as they take.

    Attributes:
        user: int32, row of ``profiles``.
        shown: int32, the slates: item numbers 1 … n_items, those of refused items negative.
        likes: int32, a padding item, then the histories of all slates one after another, each oldest first.
        ends: int64, where in ``likes`` the history of a slate ends and that of the next begins; one number more than slates.
        is_train: the split.
        profiles: (n_users, u) standardised or one-hot user attributes; u may be 0.
        history_length: H, the longest history, at least 1.
        first: int64, the first slate of each user, and n as last entry: slates stand by user and position, and no user's slate is
            missing. None where slates before another are not known.
    """

    user: Int[Tensor, " n"]
    shown: Int[Tensor, "n k"]
    likes: Int[Tensor, " n_likes_plus_1"]
    ends: Int[Tensor, " n_plus_1"]
    is_train: Bool[Tensor, " n"]
    profiles: Float[Tensor, "n_users u"]
    history_length: int
    first: Int[Tensor, " n_users_plus_1"] | None = None

    def as_whole(self) -> "Log":
        """The same, known to hold every slate of its users, by user and position."""
        counts = torch.bincount(self.user, minlength=len(self.profiles))
        return replace(self, first=torch.cat([counts.new_zeros(1), counts.cumsum(0)]))

    def history(self, rows: Int[Tensor, " b"]) -> Int[Tensor, "b h"]:
        """Histories of some slates, int64, padded with 0 on the right."""
        places = self.ends[rows][:, None] + torch.arange(self.history_length, device=rows.device)
        is_there = places < self.ends[rows + 1][:, None]
        return self.likes[torch.where(is_there, places, 0)].long()

    def shown_before(self, rows: Int[Tensor, " b"], memory: int) -> Int[Tensor, "b m"]:
        """The newest ``memory`` items that each slate's user was shown before it, int64, padded with 0 on the right, refused ones negative.

        m is ``memory``; 0 where slates before another are not known.
        """
        if self.first is None or not memory:
            return rows.new_zeros(len(rows), 0)
        k = self.shown.shape[1]
        n_slates = -(-memory // k)
        # Slates of the user from the oldest that fits to the newest, then padding: every row begins at its own oldest.
        n_kept = (rows - self.first[self.user[rows].long()]).clamp(max=n_slates)
        place = torch.arange(n_slates, device=rows.device)
        slates = self.shown[(rows - n_kept)[:, None] + torch.minimum(place, n_kept[:, None])]
        shown = torch.where((place < n_kept[:, None])[..., None], slates, PADDING).flatten(1)
        too_many = (n_kept * k - memory).clamp_min(0)[:, None]
        places = too_many + torch.arange(memory, device=rows.device)
        return torch.where(places < shown.shape[1], shown.gather(1, places.clamp(max=shown.shape[1] - 1)), PADDING).long()
