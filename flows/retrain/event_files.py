"""TensorBoard event files of a training, written while it learns; TensorBoard itself draws them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from flows.runtime.extras import needs
from hsrl_train.learner.curves import CurvePoint
from hsrl_train.learner.loop import Draw
from pipeline.errors import ConfigError, TrainingError, reason_of


def require_tensorboard(folder: str | None) -> None:
    """Refuse event files where what writes them is not installed.

    Args:
        folder: ``tensorboard`` of ``[training]``; None = none are asked for.

    Raises:
        ConfigError: the extra is missing.
    """
    if folder is not None and find_spec("tensorboard") is None:
        raise ConfigError(needs("[training] tensorboard", "tensorboard"))


@contextmanager
def drawing(folder: str | None, policy_id: str) -> Iterator[Draw | None]:
    """What a training hands its points to; None where no event files are asked for.

    Args:
        folder: where to; the files lie in a folder of the policy's in it.
        policy_id: of the policy that is learned.

    Raises:
        TrainingError: the folder cannot be written.
    """
    if folder is None:
        yield None
        return
    from torch.utils.tensorboard.writer import SummaryWriter  # it imports for seconds

    place = Path(folder).expanduser() / policy_id
    writer: SummaryWriter | None = None

    def draw(points: Sequence[CurvePoint]) -> None:
        nonlocal writer
        if not points:
            return
        if writer is None:  # what a killed training drew from here on is left out of the picture
            writer = SummaryWriter(str(place), purge_step=points[0].iteration)
        for point in points:
            writer.add_scalar(point.metric, point.value, point.iteration)
        writer.flush()

    try:
        yield draw
    except OSError as error:
        raise TrainingError(f"{place}: {reason_of(error)}; name another folder in [training] tensorboard, or none") from error
    finally:
        if writer is not None:
            writer.close()
