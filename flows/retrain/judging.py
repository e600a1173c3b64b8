"""The judgement of a retrain: sessions in simulators of several families, people's own answers, claims, and the gate."""

from collections.abc import Mapping
from dataclasses import replace

from flows.retrain.results import Claimed, JudgedAnswers, Results
from flows.retrain.training import Trained
from flows.stores.pinned import Pinned
from flows.stores.policies import load_policy
from hsrl_train.data.tensors import World
from hsrl_train.data.world import Records
from hsrl_train.evaluation.baselines import LIKE_RATE, item_scores
from hsrl_train.evaluation.claims import Claim, Compared, claim
from hsrl_train.evaluation.intervals import Interval
from hsrl_train.evaluation.judge import Judge, NamedPolicy, NamedSimulator, PolicyResult, by_kind
from hsrl_train.evaluation.real_answers import AUC, NDCG, RealAnswers, judge_real_answers, paired
from hsrl_train.evaluation.rollouts import paired_difference
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.loop import StoredPolicy
from hsrl_train.learner.methods import method_named
from hsrl_train.simulator.config import EnvironmentConfig
from pipeline.warehouse.artifacts import ArtifactStore

# What must not fall, for a claim and for the gate.
DECIDING = (AUC, NDCG)
# Kinds of a policy's rows, by kind.
Played = Mapping[str, PolicyResult]


def repeats_line(environment: EnvironmentConfig, world: World) -> str:
    """Whether sessions may show items again, and how much of the log does; the log has decided already."""
    rule = {"never": "sessions show nobody an item again", "allowed": "sessions may show items again"}[environment.repeats]
    return f"{rule}: {world.share_shown_again:.2%} of the log's places do"


def real_answers_of(world: World, name: str, policy: StoredPolicy, memory: int, learner: LearnerConfig) -> RealAnswers:
    """People's own answers of the test split to what a policy ranks high."""
    losses = method_named(learner.method).configured(learner).losses
    are_log_odds = losses.likelihood == "two_sided" and losses.likelihood_weight > 0
    return judge_real_answers(name, policy, _test(world), memory, are_log_odds=are_log_odds)


def real_answers_of_items(world: World, memory: int) -> list[RealAnswers]:
    """The same for rankings by items alone, as the training records show them."""
    scorers = item_scores(world.records.select(world.records.is_train), world.catalogue)
    return [
        judge_real_answers(name, scorer, _test(world), memory, are_log_odds=name == LIKE_RATE) for name, scorer in scorers.items()
    ]


def _test(world: World) -> Records:
    return world.records.select(~world.records.is_train)


def judged(store: ArtifactStore, judge: Judge, pinned: Pinned, results: Results) -> Results:
    """The results with everything that is said of the policies, and whether the best may be published.

    The gate: a policy that is worse than the incumbent in the panel beyond the interval, or whose figures on people's own answers have
    fallen beyond theirs, is not published.
    """
    learned_in, judging = ([simulator.named for simulator in group] for group in (results.training, results.judging))
    groups = by_kind(judging, learned_in[0].family)
    trained = results.trained
    judge.expect(len(trained) * (len(learned_in) + len(judging)))
    models = tuple(simulator.model for simulator in learned_in)
    rows = [row for _, group in groups for row in judge.references(models, group)]
    played = {policy.policy_id: _played(judge, policy, [("own", learned_in), *groups]) for policy in trained}
    best = max(results.candidates, key=lambda policy: float(played[policy.policy_id]["own"].pooled.rewards.mean()))
    for policy in (
        *(other for other in trained if other is not best),
        best,
    ):  # the policy itself stands last, the panel after all
        rows += played[policy.policy_id].values()
    world, memory, learner = judge.world, judge.environment.memory, results.job.learner
    real = {policy.policy_id: real_answers_of(world, policy.method, policy.policy, memory, learner) for policy in trained}
    answers = [
        *(JudgedAnswers(None, found) for found in real_answers_of_items(world, memory)),
        *(JudgedAnswers(policy.policy_id, real[policy.policy_id], policy.seed) for policy in trained),
    ]
    results = replace(results, best=best, rows=rows, real=answers, claims=_claims(results, played, real))
    if pinned.published_policy in (None, best.policy_id):
        lost = f"published policy {pinned.lost_policy} is gone from artifacts/, so that nothing was compared with it"
        verdict = lost if pinned.lost_policy else "no other policy is published on this codebook"
        return replace(results, is_published=True, verdict=verdict)
    kind, deciding = groups[-1]  # the panel, where there is one
    judge.expect(len(deciding))
    incumbent = load_policy(store, pinned.published_policy, pinned.world.catalogue)
    shown_now = judge.play(NamedPolicy("incumbent", incumbent, pinned.published_policy), deciding, kind)
    difference = paired_difference(played[best.policy_id][kind].pooled, shown_now.pooled)
    fallen = _fallen(real[best.policy_id], real_answers_of(world, "incumbent", incumbent, memory, learner))
    verdict = f"{difference.mean:+.3f} beside the incumbent, 95 % interval {difference.low:+.3f} … {difference.high:+.3f}"
    verdict += f"; on people's own answers {fallen}" if fallen else ""
    return replace(results, rows=[*rows, shown_now], is_published=difference.high >= 0 and not fallen, verdict=verdict)


def _played(judge: Judge, policy: Trained, groups: list[tuple[str, list[NamedSimulator]]]) -> Played:
    named = NamedPolicy(policy.method, policy.policy, policy.policy_id, policy.seed)
    return {kind: judge.play(named, group, kind) for kind, group in groups}


def _claims(results: Results, played: Mapping[str, Played], real: Mapping[str, RealAnswers]) -> list[Claimed]:
    """What may be said of each policy beside the first of the other methods; nothing where there is none."""
    others = results.trained[results.job.training.n_seeds :]
    if not others:
        return []
    reference = others[0]
    return [
        Claimed(policy.policy_id, policy.method, reference.method, compared(played, real, policy.policy_id, reference.policy_id))
        for policy in results.trained
        if policy is not reference
    ]


def compared(played: Mapping[str, Played], real: Mapping[str, RealAnswers], policy_id: str, reference_id: str) -> Claim:
    """What may be said of a policy beside another; where no other family judges, its own does, and no more than that is claimed."""
    ours, theirs = played[policy_id], played[reference_id]
    differences = _paired(real[policy_id], real[reference_id])

    def of(kind: str) -> Compared:
        return Compared(ours[kind].pooled.rewards, theirs[kind].pooled.rewards, ours[kind].families)

    return claim(of("panel") if "panel" in ours else None, of("transferred"), differences)


def _fallen(ours: RealAnswers, incumbent: RealAnswers) -> str:
    """In words, which figures have fallen beyond their intervals; empty where none has."""
    differences = _paired(ours, incumbent)
    return ", ".join(f"{metric} {found.mean:+.4f}" for metric, found in differences.items() if found.high < 0)


def _paired(ours: RealAnswers, theirs: RealAnswers) -> dict[str, Interval]:
    """Differences in the figures that must not fall, where slates can tell them."""
    return {metric: found for metric in DECIDING if (found := paired(ours, theirs, metric))}
