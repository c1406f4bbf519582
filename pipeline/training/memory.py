"""One exception for all the ways in which torch reports a lack of memory."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_MESSAGES = ("not enough memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED", "out of memory")


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
        if not any(message in str(error) for message in _MESSAGES):
            raise
        message = str(error)
    # The error is raised outside the handlers: inside, it would keep the caught error, its frames and tensors alive.
    if message is not None:
        raise OutOfMemory(" ".join(message.split("\n")[0].split()))
