"""The Python API of hsrl: a warehouse to ask, its tokenizer and its published policy (docs/api.md).

import hsrl

warehouse = hsrl.open_warehouse("warehouse/demo")
warehouse.sql("select sid, len(item_ids) n from sid_buckets order by n desc limit 5")
"""

from flows.queries.opened import OpenedWarehouse, PublishedPolicy, Tokenizer, open_warehouse
from pipeline.errors import HsrlError, QueryError
from pipeline.sids.mapping import SidMapping
from pipeline.sids.mapping_files import read_mapping, read_trie
from pipeline.sids.trie import Trie
from pipeline.warehouse.limits import Limits

__all__ = [
    "HsrlError",
    "Limits",
    "OpenedWarehouse",
    "PublishedPolicy",
    "QueryError",
    "SidMapping",
    "Tokenizer",
    "Trie",
    "open_warehouse",
    "read_mapping",
    "read_trie",
]
