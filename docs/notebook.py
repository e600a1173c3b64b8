# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
# ---

# %% [markdown]
# # hsrl from Python
# On the warehouse of `make demo`; another one is named by `HSRL_WAREHOUSE`. A test runs this file.

# %%
import os

import numpy as np
import polars as pl

import hsrl

warehouse = hsrl.open_warehouse(os.environ.get("HSRL_WAREHOUSE", "warehouse/demo"))

# %% [markdown]
# ## Ask SQL, as Polars and as pandas

# %%
buckets = warehouse.sql("select sid, len(item_ids) n, item_ids[:5] first_five from sid_buckets order by n desc, sid limit 5")
buckets

# %%
by_first_code = warehouse.pandas("select tokens[1] l1, count(*) n from sids group by 1 order by 2 desc, 1")
by_first_code.head()

# %% [markdown]
# ## Semantic IDs of vectors
# Vectors of the catalogue, in the codes' own space, get the Semantic IDs of their nearest codes; the catalogue's may be older ones
# that are near enough.

# %%
rows = warehouse.sql(
    "select item_id, vector from embeddings where embedding_id in (select embedding_id from codebooks) order by item_id limit 50"
)
tokenizer = warehouse.tokenizer()
encoded = tokenizer.encode(np.array(rows["vector"].to_list(), dtype=np.float32)).with_columns(rows["item_id"])
current = warehouse.sql("select item_id, sid current_sid from sids")
both = encoded.join(current, on="item_id")
both.select("item_id", "sid", "current_sid", "recon_error").head()

# %% [markdown]
# ## Rank and recommend

# %%
policy = warehouse.policy()
raw_ids = warehouse.sql("select raw_id from items where item_id in (select item_id from sids) order by item_id limit 12")[
    "raw_id"
]
ranked = policy.rank(history=raw_ids[:2].to_list(), candidates=raw_ids[2:].to_list())
ranked

# %%
slate = policy.recommend(history=raw_ids[:2].to_list(), k=5)
slate

# %% [markdown]
# ## Curves and evaluations
# Sessions with simulated users: what the figures do not say stands in docs/learner.md.

# %%
evaluations = warehouse.evaluations()
judged = evaluations.group_by("policy", "kind").agg(pl.col("total_reward").mean(), pl.len().alias("judges"))
judged.sort("total_reward", descending=True)

# %%
curve = warehouse.curves(policy.policy_id)
curve.group_by("metric").agg(pl.col("value").sort_by("iteration").last().alias("last")).sort("metric")
