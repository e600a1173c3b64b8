"""HSRL: how the network acts while it learns, and an update of all of it (HSRL §3, eq. 18–26)."""

import copy
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hsrl_train.data.weights import load_module, module_tensors
from hsrl_train.data.world import Catalogue, Records, State, on_device
from hsrl_train.learner import losses
from hsrl_train.learner.checkpoint import load_optimizer, nested, optimizer_tensors, part
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.critic import Judged, critic_term
from hsrl_train.learner.decoding import SidIndex, left_out
from hsrl_train.learner.foresight import with_foresight
from hsrl_train.learner.hpn import TokenPolicy, summed_over_levels, token_columns
from hsrl_train.learner.loop import WARM_START
from hsrl_train.learner.methods.method import Method
from hsrl_train.learner.policy import HsrlNetwork, HsrlPolicy
from hsrl_train.learner.replay import Batch, Choice, Reads
from hsrl_train.learner.supervision import has_likelihood, likelihood_weight_at
from hsrl_train.simulator.environment import Environment


class Hsrl:
    """The learner: a network, its slowly following target, and one optimizer with the actor's and the critic's rate.

    Args:
        catalogue: items, vectors and the pinned SIDs.
        profile_width: of the states; 0 where they have none.
        max_history: H.
        config: terms, modules and rates.
        seed: of the initial weights.

    Raises:
        TrainingError: no active item has a SID.
    """

    def __init__(self, catalogue: Catalogue, profile_width: int, max_history: int, config: LearnerConfig, seed: int) -> None:
        self.catalogue = catalogue
        self.config = config
        self.index = SidIndex.of(catalogue, config.decoding.within_sid, config.decoding.sid_share)
        self.showable = self.index.items
        self.generator = torch.Generator().manual_seed(seed)  # of sampled tokens
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = HsrlNetwork(config.network, catalogue.vectors.shape[1], profile_width, max_history, catalogue.vocabulary)
        self.network = network.to(catalogue.device)
        self.target = copy.deepcopy(self.network).requires_grad_(False)
        schedule = config.schedule
        self.optimizer = torch.optim.Adam(
            [
                {"params": self.network.actor_parameters(), "lr": schedule.actor_lr, "full_lr": schedule.actor_lr},
                {"params": self.network.critic_parameters(), "lr": schedule.critic_lr, "full_lr": schedule.critic_lr},
            ],
            fused=True,
        )

    @classmethod
    def reads(cls, config: LearnerConfig) -> Reads:
        """Slates of the log, and answers of further items where it is supervised."""
        return Reads(asked_items=has_likelihood(config.losses), logged_rows=True)

    @torch.no_grad()
    def act(self, state: State, k: int, generator: torch.Generator) -> Choice:
        """Slates to explore with: drawn from the policy, SID by SID."""
        log_probs = self.network.tokens(state, self.catalogue.vectors, generator).log_probs
        not_again = left_out(state, self.config.decoding)
        slate = self.index.sampled(self.index.scores(log_probs), k, self.config.exploration.temperature, generator, not_again)
        return Choice(slate, self._summed(log_probs, slate))

    def learn(self, batch: Batch, rate: float, done_share: float = 0.0) -> dict[str, float]:
        """One step on L_actor + L_critic (26), then the targets follow.

        Args:
            batch: transitions.
            rate: what both learning rates are multiplied by, in (0, 1].
            done_share: of the training, in [0, 1]; for weights that have a schedule.

        Returns:
            The losses, the mean value, the entropy of each level and the level weights, before the step.
        """
        policy = self.network.tokens(batch.state_t, self.catalogue.vectors, self.generator)
        contexts = policy.contexts if self.config.network.critic_trains_encoder else policy.contexts.detach()
        value = self.network.critic(contexts)
        target = losses.td_target(batch.reward_t, batch.done_t, self._next_value(batch.state_tp1), self.config.losses.gamma)
        entropies = losses.entropy_by_level(policy.log_probs, self.catalogue.vocabulary)
        terms = {
            "policy_gradient_loss": self._policy_gradient(policy, batch, value, target),
            "entropy_loss": losses.entropy_loss(entropies),
            "likelihood_loss": self._likelihood(policy, batch),
            "critic_loss": self._critic(policy, contexts[:, 0], batch, value, target),
        }
        weights = (
            self.config.losses.pg_weight,
            self.config.losses.entropy_weight,
            likelihood_weight_at(done_share, self.config.losses),
        )
        policy_gradient, entropy, likelihood, critic = terms.values()
        loss = losses.joint_loss(losses.actor_loss(policy_gradient, entropy, likelihood, weights), critic)
        level_weights = self.network.critic.weights().tolist()
        self._step(loss, rate)
        return {
            **{name: float(term.detach()) for name, term in terms.items()},
            "loss": float(loss.detach()),
            "value": float(value.detach().mean()),
            **{f"entropy_level_{level}": entropy for level, entropy in enumerate(entropies.tolist(), start=1)},
            **{f"level_weight_{level}": weight for level, weight in enumerate(level_weights)},
        }

    def start_from(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over a policy's weights, in the target network too.

        Raises:
            TrainingError: the policy is of another method, vocabulary, width or set of switches.
        """
        tensors = {"foresight": self.network.foresight, **tensors}  # older policies have none
        load_module(self.network, tensors, WARM_START)
        load_module(self.target, tensors, WARM_START)

    def policy(self) -> HsrlPolicy:
        """What was learned so far, frozen."""
        return self._frozen(self.network)

    def finish(
        self, environment: Environment, records: Records, seed: int, progress: Callable[[int, Mapping[str, float]], None]
    ) -> HsrlPolicy:
        """What was learned, with foresight where the configuration has rounds for it."""
        config = self.config
        if not config.search.n_rounds:
            return self.policy()
        found = with_foresight(
            HsrlPolicy(self.network, self.catalogue.vectors, self.index, self.catalogue.tokens, config),
            environment,
            records,
            seed,
            lambda done, reward: progress(
                config.schedule.n_iterations + done * config.search.units_a_round, {"foresight_reward": reward}
            ),
        )
        return self._frozen(found.network)

    def to_tensors(self) -> dict[str, Tensor]:
        """Network, target and the optimizer's moments."""
        return {
            "generator": self.generator.get_state(),
            **nested("network", module_tensors(self.network)),
            **nested("target", module_tensors(self.target)),
            **nested("optimizer", optimizer_tensors(self.optimizer)),
        }

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what ``to_tensors`` gave.

        Raises:
            TrainingError: it is another network's.
        """
        load_module(self.network, part("network", tensors), "checkpoint, network")
        load_module(self.target, part("target", tensors), "checkpoint, target")
        load_optimizer(self.optimizer, part("optimizer", tensors), "checkpoint, optimizer")
        self.generator.set_state(tensors["generator"])

    def _frozen(self, network: HsrlNetwork) -> HsrlPolicy:
        network = copy.deepcopy(network).cpu().requires_grad_(False)
        return HsrlPolicy(
            network, self.catalogue.vectors.cpu(), on_device(self.index, "cpu"), self.catalogue.tokens.cpu(), self.config
        )

    @torch.no_grad()
    def _next_value(self, state: State) -> Float[Tensor, " b"]:
        value: Tensor = self.target.critic(self.target.tokens(state, self.catalogue.vectors).contexts)
        return value

    def _critic(self, policy: TokenPolicy, c0: Tensor, batch: Batch, value: Tensor, target: Tensor) -> Tensor:
        if self.network.action_critic is None:
            return losses.critic_loss(value, target)
        items = self.network.encoder.item(self.catalogue.vectors[batch.slate])
        judged = Judged(c0, value, target, items, self._summed(policy.log_probs, batch.slate), batch.log_prob)
        return critic_term(self.network.action_critic, judged, self.config.losses.ratio_clip)

    def _policy_gradient(self, policy: TokenPolicy, batch: Batch, value: Tensor, target: Tensor) -> Tensor:
        if self.config.losses.advantage == "item":
            clip, share = self.config.losses.advantage_clip, self.config.losses.item_share
            advantage = losses.item_advantage(target - value, batch.reward_t, batch.item_reward_t, clip, share)
        else:
            advantage = losses.slate_advantage(target, value, self.config.losses.advantage_clip)
        log_probs = self._summed(policy.log_probs, batch.slate)
        if self.config.losses.importance_clip:
            weight = losses.importance_weight(log_probs, batch.log_prob, self.config.losses.importance_clip)
            advantage = weight * (advantage if advantage.ndim == 2 else advantage[:, None])
        return losses.policy_gradient_loss(advantage, log_probs)

    def _likelihood(self, policy: TokenPolicy, batch: Batch) -> Tensor:
        items, answers = batch.supervision
        if self.config.losses.likelihood == "positives":
            return losses.cloning_loss(self._summed(policy.log_probs, items), answers)
        return losses.two_sided_loss(self._summed(policy.logits, items) + self.network.bias, answers)

    def _summed(self, scores: Float[Tensor, "b all_tokens"], items: Int[Tensor, "b k"]) -> Float[Tensor, "b k"]:
        return summed_over_levels(scores, token_columns(self.catalogue.tokens[items], self.catalogue.vocabulary))

    def _step(self, loss: Tensor, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = group["full_lr"] * rate
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            for slow, fast in zip(self.target.parameters(), self.network.parameters(), strict=True):
                slow.lerp_(fast, self.config.losses.polyak)


METHOD = Method("hsrl", Hsrl, HsrlPolicy.from_tensors)
