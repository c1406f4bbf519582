"""One exception for all the ways in which torch reports a lack of memory."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_SIGNS = ("not enough memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED", "out of memory")


class OutOfMemory(Exception):
    """The device, or this machine, has too little memory for a training."""


@contextmanager
def memory_errors_as_out_of_memory() -> Iterator[None]:
    """Turns errors that report a lack of memory into OutOfMemory, one line. Other errors pass unchanged."""
    message = None
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        message = str(error) or type(error).__name__
    except RuntimeError as error:
        if not any(sign in str(error) for sign in _SIGNS):
            raise
        message = str(error)
    # Raised outside the handlers, the error does not keep alive the frames and tensors of the caught one.
    if message is not None:
        raise OutOfMemory(" ".join(message.split("\n")[0].split()))
