"""One exception for every way in which torch says that memory is short."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_SIGNS = ("not enough memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED", "out of memory")


class OutOfMemory(Exception):
    """The device, or this machine, has too little memory for a training."""


@contextmanager
def memory_errors_as_out_of_memory() -> Iterator[None]:
    """Raises OutOfMemory, one line, in place of an error that says that memory is short; other errors pass."""
    message = None
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        message = str(error) or type(error).__name__
    except RuntimeError as error:
        if not any(sign in str(error) for sign in _SIGNS):
            raise
        message = str(error)
    # Raised out here, the error does not keep the frames, and with them the tensors, of the one that was caught.
    if message is not None:
        raise OutOfMemory(" ".join(message.split("\n")[0].split()))
