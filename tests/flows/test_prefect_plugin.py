"""The bare name of a deployment, resolved by a client that is asked nothing else."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.exceptions import ObjectNotFound

from flows.prefect_plugin import setup_environment


class Client:
    """Stands for PrefectClient where only deployments of some names exist."""

    def __init__(self, *names: str) -> None:
        self.names = names

    async def read_deployments(self, *, deployment_filter: Any, limit: int) -> list[Any]:
        wanted = deployment_filter.name.any_
        return [SimpleNamespace(name=name) for name in self.names if name in wanted][:limit]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The client's method after Prefect called the hook; before it, it only knows FLOW/DEPLOYMENT."""

    async def stock(_: Any, name: str) -> str:
        return f"stock {name}"

    monkeypatch.setattr(PrefectClient, "read_deployment_by_name", stock)
    setup_environment(ctx=None)  # type: ignore[arg-type]
    return lambda client, name: asyncio.run(PrefectClient.read_deployment_by_name(client, name))


def test_a_bare_name_is_the_one_deployment_of_that_name(read: Any) -> None:
    assert read(Client("daily-refresh", "nightly-retrain"), "daily-refresh").name == "daily-refresh"


@pytest.mark.parametrize(("names", "told"), [((), "no deployments are named x"), (("x", "x"), "2 deployments are named x")])
def test_none_or_two_of_a_name_are_told(read: Any, names: tuple[str, ...], told: str) -> None:
    with pytest.raises(ObjectNotFound, match=f"{told}; list them with: prefect deployment ls"):
        read(Client(*names), "x")


def test_a_full_name_goes_the_stock_way(read: Any) -> None:
    assert read(Client(), "daily-refresh/daily-refresh") == "stock daily-refresh/daily-refresh"


def test_the_hook_may_be_called_twice(read: Any) -> None:
    once = PrefectClient.read_deployment_by_name
    setup_environment(ctx=None)  # type: ignore[arg-type]
    assert PrefectClient.read_deployment_by_name is once
