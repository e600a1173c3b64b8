"""The Python API: the notebook runs as it stands, and every name of the Python API is documented."""

import runpy
from pathlib import Path

import numpy as np
import pytest

import hsrl
from tests.flows.conftest import World

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def notebook(retrained: World) -> dict[str, object]:
    """The notebook's names after it ran."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HSRL_WAREHOUSE", str(retrained.root))
        return runpy.run_path(str(ROOT / "docs" / "notebook.py"))


def test_every_cell_gives_rows(notebook: dict[str, object]) -> None:
    for name in ("buckets", "by_first_code", "both", "ranked", "slate", "judged", "curve"):
        assert len(notebook[name]) > 0, name  # type: ignore[arg-type]


def test_the_catalogue_s_own_vectors_get_its_semantic_ids(notebook: dict[str, object]) -> None:
    """On the first night nothing was kept or deferred: the nearest codes are the catalogue's."""
    both = notebook["both"]
    assert both.height > 40 and both["sid"].to_list() == both["current_sid"].to_list()  # type: ignore[attr-defined]


def test_the_policy_ranks_what_is_given_and_recommends_of_all(notebook: dict[str, object]) -> None:
    ranked, slate = notebook["ranked"], notebook["slate"]
    assert ranked["place"].to_list() == list(range(1, 11)) and ranked["score"].is_sorted(descending=True)  # type: ignore[index]
    assert slate["raw_id"].n_unique() == 5  # type: ignore[index]


def test_a_slate_is_made_of_the_best_ranked_items(retrained: World) -> None:
    """Of all items that may be shown, the first five by score are those of the slate, whatever their order among equals."""
    policy = hsrl.open_warehouse(retrained.root).policy()
    ids = retrained.ask("select raw_id from items where item_id in (select item_id from sids)")["raw_id"].to_list()
    best, slate = policy.rank(ids[:2], ids).head(5), policy.recommend(ids[:2], 5)
    assert np.allclose(sorted(best["score"]), sorted(slate["score"]), atol=1e-5)


def test_what_is_wrong_is_a_line(retrained: World, tmp_path: Path) -> None:
    warehouse = hsrl.open_warehouse(retrained.root)
    with pytest.raises(hsrl.HsrlError, match="no warehouse"):
        hsrl.open_warehouse(tmp_path / "nowhere")
    with pytest.raises(hsrl.QueryError):
        warehouse.sql("delete from items")
    with pytest.raises(hsrl.HsrlError, match="is no id of a policy"):
        warehouse.curves("x' or true --")
    with pytest.raises(hsrl.HsrlError, match=r"expected \(n, \d+\) of finite numbers"):
        warehouse.tokenizer().encode(np.zeros((2, 1), np.float32))
    with pytest.raises(hsrl.HsrlError, match="do not reach"):
        warehouse.tokenizer().encode(np.zeros((2, 1), np.float32), space="external")
    with pytest.raises(ValueError, match="unknown"):
        warehouse.policy().rank(["no such item"], ["1"])


def test_every_name_of_the_api_is_documented() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8") + (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert [name for name in hsrl.__all__ if f"hsrl.{name}" not in text] == []
