"""The sizes of what an architecture reads, and the token ids that mean something by themselves."""

from dataclasses import dataclass

PADDING = 0
UNKNOWN = 1


@dataclass(frozen=True)
class Inputs:
    """The sizes from which an architecture builds its layers.

    Token ids are 0 … `vocabulary` − 1, of which 0 is padding and 1 is unknown; `length` tokens and `dense`
    numbers per row (either may be 0); `targets` numbers to predict.
    """

    vocabulary: int
    length: int
    dense: int
    targets: int
    categorical: int = 0
    """The first so many tokens of a row are those of its categorical columns, one each; the others are words. Models
    that were saved before this was counted have 0, and no architecture of then reads it."""

    @property
    def words(self) -> int:
        """Tokens of a row that are words, padding included."""
        return self.length - self.categorical
