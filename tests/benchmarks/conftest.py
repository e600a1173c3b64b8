"""What benchmarks learn in tests, they learn as they are run."""

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Two threads on matrices this small wait for one another, and a second of processor time then buys too little."""
    torch.set_num_threads(1)
