"""What every part of a flow works with: the warehouse, the run that is under way, and how its steps are run."""

from dataclasses import dataclass

from flows.runtime.run import Run
from flows.runtime.steps import Steps
from pipeline.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class RunContext:
    """A run at work on a warehouse.

    Attributes:
        warehouse: open, for writing where the flow writes.
        run: identity, stage times and progress output.
        steps: runs steps here, or as Prefect tasks.
    """

    warehouse: Warehouse
    run: Run
    steps: Steps
