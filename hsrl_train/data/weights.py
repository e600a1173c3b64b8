"""The weights of a module as named tensors, and back without a doubt: what does not fit exactly is an error."""

from collections.abc import Mapping

from torch import Tensor, nn

from pipeline.errors import TrainingError


def module_tensors(module: nn.Module) -> dict[str, Tensor]:
    """A copy of every parameter and buffer."""
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def load_module(module: nn.Module, tensors: Mapping[str, Tensor], what: str) -> None:
    """Fill ``module``, or leave it as it is and say what does not fit.

    Args:
        module: built for the vocabulary, widths and switches the tensors are expected to have.
        tensors: all its parameters and buffers, nothing else.
        what: whose tensors they are, for the message: ``policy``.

    Raises:
        TrainingError: a tensor is missing, unexpected, or of another shape (another V, L, d or H).
    """
    wanted = module.state_dict()
    require_shapes(tensors, {name: tuple(tensor.shape) for name, tensor in wanted.items()}, what)
    module.load_state_dict({name: tensors[name] for name in wanted}, strict=True)


def require_shapes(tensors: Mapping[str, Tensor], wanted: Mapping[str, tuple[int, ...]], what: str) -> None:
    """Raise TrainingError unless names and shapes are exactly the wanted ones."""
    require_names(tensors, set(wanted), what)
    wrong = [
        f"{name} is {tuple(tensors[name].shape)}, not {shape}" for name, shape in wanted.items() if tensors[name].shape != shape
    ]
    if wrong:
        raise TrainingError(
            f"{what}: {len(wrong)} of {len(wanted)} tensors have another shape ({'; '.join(wrong[:3])}): "
            "another codebook, catalogue or configuration made them; train anew with: hsrl retrain"
        )


def require_names(tensors: Mapping[str, Tensor], wanted: set[str], what: str) -> None:
    """Raise TrainingError unless the names are exactly the wanted ones."""
    missing, unexpected = sorted(wanted - set(tensors)), sorted(set(tensors) - wanted)
    if missing or unexpected:
        named_missing, named_unexpected = ", ".join(missing[:3]) or "none", ", ".join(unexpected[:3]) or "none"
        raise TrainingError(
            f"{what}: {len(missing)} of {len(wanted)} tensors are missing ({named_missing}) "
            f"and {len(unexpected)} unexpected ({named_unexpected}): another codebook or configuration made them; train anew with: hsrl retrain"
        )
