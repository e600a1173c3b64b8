"""Lets `prefect deployment run daily-refresh` find the one deployment of that name.

Stock Prefect wants FLOW/DEPLOYMENT. Prefect calls the hook at start-up where plugins are enabled (pyproject.toml).
"""

from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.exceptions import ObjectNotFound
from prefect.plugins import HookContext, register_hook


async def _only_deployment_named(client: PrefectClient, name: str) -> Any:
    found = await client.read_deployments(deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[name])), limit=2)
    if len(found) != 1:
        message = f"{len(found) or 'no'} deployments are named {name}; list them with: prefect deployment ls"
        raise ObjectNotFound(LookupError(message), message)
    return found[0]


@register_hook
def setup_environment(*, ctx: HookContext) -> None:
    """Teach the client to resolve a bare name before it asks for FLOW/DEPLOYMENT."""
    stock = PrefectClient.read_deployment_by_name
    if getattr(stock, "finds_bare_names", False):
        return

    async def read_deployment_by_name(self: PrefectClient, name: str) -> Any:
        return await stock(self, name) if "/" in name else await _only_deployment_named(self, name)

    read_deployment_by_name.finds_bare_names = True  # type: ignore[attr-defined]
    PrefectClient.read_deployment_by_name = read_deployment_by_name  # type: ignore[method-assign, assignment]
