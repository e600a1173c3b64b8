"""Where a training stands, apart from its learner: sessions, replay, random numbers and curves, as a checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hsrl_train.data.weights import require_names
from hsrl_train.data.world import Records, State, remembered, states_of
from hsrl_train.learner.checkpoint import nested, part, require_settings, settings_tensor
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.curves import Curves
from hsrl_train.learner.replay import Replay
from hsrl_train.simulator.environment import Environment, Sessions


@dataclass
class TrainingState:
    """What changes from iteration to iteration.

    Attributes:
        iteration: iterations done.
        generator: of every random number of the loop.
        sessions: none of them finished.
        user: whose session it is, a row of the profiles.
        episode_reward: of each running session so far.
        replay: the transitions.
        curves: figures so far.
    """

    iteration: int
    generator: torch.Generator
    sessions: Sessions
    user: Int[Tensor, " b"]
    episode_reward: Float[Tensor, " b"]
    replay: Replay
    curves: Curves

    @classmethod
    def fresh(cls, environment: Environment, records: Records, config: LearnerConfig, seed: int) -> "TrainingState":
        """Before the first iteration: sessions begin at records drawn uniformly."""
        generator = torch.Generator().manual_seed(seed)
        rows = torch.randint(len(records), (config.exploration.n_sessions,), generator=generator).to(records.device)
        return cls(
            iteration=0,
            generator=generator,
            sessions=environment.start(states_at(rows, records, environment), generator),
            user=records.select(rows).user,
            episode_reward=torch.zeros(config.exploration.n_sessions, device=records.device),
            replay=Replay(config.schedule.replay_capacity),
            curves=Curves(config.schedule.curve_every),
        )

    def to_tensors(self, settings: Mapping[str, Any]) -> dict[str, Tensor]:
        """All of it and the settings it holds for; profiles are found again by ``user``."""
        return {
            "settings": settings_tensor(settings),
            "iteration": torch.tensor(self.iteration),
            "generator": self.generator.get_state(),
            "user": self.user.clone(),
            "episode_reward": self.episode_reward.clone(),
            "history": self.sessions.state.history.clone(),
            "recent": remembered(self.sessions.state).clone(),
            "temper": self.sessions.temper.clone(),
            "n_steps": self.sessions.n_steps.clone(),
            "model": self.sessions.model.clone(),
            "tastes": self.sessions.tastes.clone(),
            **nested("replay", self.replay.to_tensors()),
            **nested("curves", self.curves.to_tensors()),
        }

    def load_tensors(self, tensors: Mapping[str, Tensor], records: Records, settings: Mapping[str, Any]) -> None:
        """Go on from what ``to_tensors`` gave under the same settings.

        Raises:
            TrainingError: tensors are missing or unexpected, or a setting changed.
        """
        own = {name for name in self.to_tensors(settings) if "/" not in name}
        require_names({name: tensor for name, tensor in tensors.items() if "/" not in name}, own, "checkpoint")
        require_settings(tensors["settings"], settings)
        self.iteration = int(tensors["iteration"])
        self.generator.set_state(tensors["generator"])
        here = {
            name: tensor.to(self.user.device, copy=True)
            for name, tensor in tensors.items()
            if name in own or name.startswith("replay/")
        }
        self.user, self.episode_reward = here["user"], here["episode_reward"]
        state = State(records.profiles[self.user], here["history"], here["recent"], self.user)
        self.sessions = Sessions(state, here["temper"], here["n_steps"], here["model"], here["tastes"])
        self.replay.load_tensors(part("replay", here))
        self.curves.load_tensors(part("curves", tensors))


def states_at(rows: Int[Tensor, " b"], records: Records, environment: Environment) -> State:
    """The states before the slates of the given records."""
    return states_of(records.select(rows), environment.config.memory)
