"""What failed last, and how long it is not tried again."""

import random
from weakref import WeakValueDictionary

from ._errors import SetleError, TokenError, TokenRejectedError, twin_of
from ._time import BackOff

_REFUSAL_DELAY = 30.0

EVERY: WeakValueDictionary[int, "Failure"] = WeakValueDictionary()  # by id


class Failure(BackOff):
    """
    The last failure of one thing: of a key, of a way out, or of a way to the credentials.

    What the endpoint answers is a failure of the key, and holds for all who use that.

    Attributes:
        error: What was raised, once something was.
    """

    error: SetleError

    def __init__(self) -> None:
        super().__init__()
        EVERY[id(self)] = self

    def count(self, error: SetleError) -> None:
        """Begin the back-off that *error* asks for."""
        self.error = error
        least = _REFUSAL_DELAY if isinstance(error, TokenRejectedError) else 0.0
        asked_for = error.retry_after if isinstance(error, TokenError) else None
        share = random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
        self.begin(share=share, at_least=max(least, asked_for or 0.0))

    def again(self, *, held_back: bool) -> SetleError:
        """Return the error to raise now."""
        error = twin_of(self.error)
        error.retry_in, error.held_back = self.left or None, held_back
        return error
