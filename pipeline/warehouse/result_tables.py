"""What was trained and how it was judged: simulators, policies, their training curves and evaluations, and the experiments of studies."""

import polars as pl

from pipeline import columns as c
from pipeline.columns import Column
from pipeline.contracts import Table
from pipeline.warehouse import columns as w

SIMULATORS = Table(
    "simulators",
    "one fitted user simulator and how well it predicts",
    (
        w.SIMULATOR_ID,
        w.FAMILY,
        w.PRESET,
        w.text("fit_on", "train or all: the records it was fitted on"),
        w.SEED,
        w.count("n_records", "records it was fitted on"),
        w.figure("auc", "area under the ROC curve, 0.5 = chance"),
        w.figure("ece", "expected calibration error, 10 equal bins, a probability"),
        w.figure("log_loss", "mean negative log-likelihood per shown item, nats"),
        w.figure("mean_p", "mean predicted probability of a positive"),
        w.figure("mean_y", "share of positives observed"),
        w.text("judged_on", "test, or in-sample where it was fitted on all records"),
        w.ARTIFACT_ID,
        w.CONFIG,
        c.RELEASE_ID,
    ),
    ("simulator_id",),
)
POLICIES = Table(
    "policies",
    "one trained policy",
    (
        w.POLICY_ID,
        w.text("method", "hsrl, sasrec …"),
        w.PRESET,
        w.SEED,
        c.CODEBOOK_ID,
        Column("simulator_ids", w.TEXTS, "the simulators it learned in"),
        w.count("n_iterations", "updates of the learner"),
        w.figure("cpu_seconds", "processor time of the training, seconds"),
        w.ARTIFACT_ID,
        w.CONFIG,
        Column("is_published", pl.Boolean(), "true for the policy that the ranking service loads"),
        c.RELEASE_ID,
    ),
    ("policy_id",),
)
EVALUATIONS = Table(
    "evaluations",
    "one policy judged in one simulator",
    (
        c.RELEASE_ID,
        w.text("policy", "name of the row: a method, or a reference such as popular slate"),
        w.text("policy_id", "fingerprint of the policy; empty for reference rows", nullable=True),
        w.SIMULATOR_ID,
        w.FAMILY,
        w.KIND,
        w.PRESET,
        w.text("repeats", "never: sessions show nobody an item again; allowed: they may"),
        w.count("slate_size", "K, items a slate"),
        w.figure("cost", "c, what an item that was shown and not liked takes from the reward"),
        w.figure("temper0", "patience that a session begins with"),
        w.count("max_steps", "slates after which a session ended in any case"),
        w.text("embedding_id", "the vectors the simulator sees", nullable=True),
        w.SEED,
        w.count("n_sessions", "whole sessions played"),
        w.figure("total_reward", "mean over sessions of the summed step rewards"),
        w.figure("total_reward_sd", "its standard deviation over sessions"),
        w.figure("ci_low", "lower end of the 95 % interval of the mean"),
        w.figure("ci_high", "upper end of the 95 % interval of the mean"),
        w.figure("depth", "mean number of steps a session"),
        w.figure("user_reward_variance", "variance across users of their total reward"),
        w.count("distinct_items", "different items shown in all sessions"),
        w.figure("gini", "Gini coefficient of exposure over active items, 0 = equal"),
        w.UNSUPPORTED_SHARE,
        w.TEMPER_LAW,
    ),
    ("release_id", "policy", "simulator_id", "seed"),
)
REAL_ANSWERS = Table(
    "real_answers",
    "how one policy ranks what people of the test split were shown, by one figure; no simulator has a say",
    (
        c.RELEASE_ID,
        w.text("policy", "name of the row: a method, or a ranking by items alone"),
        w.text("policy_id", "fingerprint of the policy; empty for rankings by items alone", nullable=True),
        w.count("seed", "that the policy learned with; empty for rankings by items alone", nullable=True),
        w.text("metric", "auc_in_slate, ndcg_in_slate, ndcg_of_later_items (each of 10 places), or ece_of_scores"),
        w.figure("value", "the figure, in [0, 1]"),
        w.figure("ci_low", "lower end of the 95 % interval over users; empty for ece_of_scores", nullable=True),
        w.figure("ci_high", "upper end of the 95 % interval over users; empty for ece_of_scores", nullable=True),
        w.count("n_users", "users whose slates can tell"),
        w.count("n_slates", "slates that were scored"),
    ),
    ("release_id", "policy", "seed", "metric"),
)
_BOUNDS = ("", "_low", "_high")
_BOUND_DOCS = {"": "mean", "_low": "lower end of its 95 % interval", "_high": "upper end of its 95 % interval"}
CLAIMS = Table(
    "claims",
    "what may be said of one policy beside another method of the same run, by the rule of claims",
    (
        c.RELEASE_ID,
        w.text("policy", "its method"),
        w.POLICY_ID,
        w.text("reference", "the method that it is compared with"),
        w.text(
            "verdict",
            "better, not by every judge, in its own family only, no difference shown, worse in its own family only, or worse",
        ),
        *(
            w.figure(
                f"panel{bound}",
                f"difference in total reward in the mean over families not learned in, {_BOUND_DOCS[bound]}",
                True,
            )
            for bound in _BOUNDS
        ),
        w.text("worst_family", "family where its difference is lowest, as a share of the reference's reward", nullable=True),
        w.figure("worst_share", "that share; below -0.01 nothing better is claimed", nullable=True),
        *(
            w.figure(f"own{bound}", f"difference in total reward in the family learned in, {_BOUND_DOCS[bound]}", True)
            for bound in _BOUNDS
        ),
        *(
            w.figure(f"{metric}_gain{bound}", f"difference in {metric} on people's own answers, {_BOUND_DOCS[bound]}", True)
            for metric in ("auc_in_slate", "ndcg_in_slate")
            for bound in _BOUNDS
        ),
    ),
    ("release_id", "policy_id", "reference"),
)
TRAINING_CURVES = Table(
    "training_curves",
    "one figure at one iteration of a training",
    (w.POLICY_ID, w.count("iteration", "updates so far"), c.METRIC, c.METRIC_VALUE),
    ("policy_id", "iteration", "metric"),
)
EXPERIMENTS = Table(
    "experiments",
    "one variant of a study, learned with one seed and judged in one simulator; never published, its policy may be gone",
    (
        c.RUN_ID,
        w.count("release_id", "the release whose records and Semantic IDs it learned from"),
        w.text("study", "ablation, sensitivity, weights, variance, paper, horizon or tried"),
        w.text("variant", "its name, or that of a reference row"),
        w.KIND,
        w.SEED,
        w.SIMULATOR_ID,
        w.FAMILY,
        w.text("policy_id", "fingerprint of the policy; empty for reference rows", nullable=True),
        w.text("changes", "settings by which the variant differs from the configured one, a JSON object"),
        w.CONFIG,
        w.PRESET,
        w.count("n_sessions", "whole sessions played"),
        w.figure("total_reward", "mean over sessions of the summed step rewards"),
        w.figure("total_reward_sd", "its standard deviation over sessions"),
        w.figure("ci_low", "lower end of the 95 % interval of the mean over sessions"),
        w.figure("ci_high", "upper end of the 95 % interval of the mean over sessions"),
        w.figure("depth", "mean number of steps a session"),
        w.figure("user_reward_variance", "variance across users of their total reward"),
        w.count("distinct_items", "different items shown in all sessions"),
        w.figure("gini", "Gini coefficient of exposure over active items, 0 = equal"),
        w.UNSUPPORTED_SHARE,
        w.TEMPER_LAW,
        w.figure("cpu_seconds", "processor time of its training; empty where the policy was known before", nullable=True),
    ),
    ("run_id", "variant", "kind", "seed", "simulator_id"),
)
