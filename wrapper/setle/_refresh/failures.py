"""What went wrong with a key, a way out or a callable, and how long nothing is asked."""

import random
from collections.abc import Iterable

from .._errors import SetleError, TokenError, TokenRejectedError, twin_of
from .._time import BackOff

_REFUSAL_DELAY = 30.0


class Failure:
    """
    The last failure in one *scope*.

    Attributes:
        scope: What it speaks of.
        back_off: Nothing is asked until it is over.
    """

    def __init__(self, scope: object) -> None:
        self.scope = scope
        self.back_off = BackOff()
        self._error = SetleError()

    def count(self, error: SetleError) -> None:
        """Begin the back-off that *error* asks for."""
        self._error = error
        least = _REFUSAL_DELAY if isinstance(error, TokenRejectedError) else 0.0
        asked_for = error.retry_after if isinstance(error, TokenError) else None
        # Spreads load, guards nothing.
        share = random.uniform(0.5, 1.0)  # noqa: S311
        self.back_off.begin(share=share, at_least=max(least, asked_for or 0.0))

    def again(self, *, held_back: bool) -> SetleError:
        """Return the error to raise now."""
        error = twin_of(self._error)
        if isinstance(error, TokenError):
            error.retry_in, error.held_back = self.back_off.left or None, held_back
        return error


class Failures:
    """
    The failures of one key.

    A scope is what a failure speaks of: None is the endpoint's answer, which holds for all who
    use the key; any other is a way out or a way to the credentials, and holds for its users.
    """

    def __init__(self) -> None:
        self._noted: dict[object, Failure] = {}

    def of(self, scopes: Iterable[object]) -> Failure | None:
        """Return what keeps the users of *scopes* from asking, if anything does."""
        found = (self._noted.get(scope) for scope in scopes)
        return next((noted for noted in found if noted and noted.back_off.left), None)

    def note(self, scope: object, error: SetleError, *, asked: bool) -> SetleError:
        """Remember *error*, as a new failure if somebody *asked*; return the one to raise."""
        # Scopes may come and go by the hundred, one for each request of a web server.
        for old in [old for old, noted in self._noted.items() if noted.back_off.is_forgotten]:
            del self._noted[old]
        noted = self._noted.setdefault(scope, Failure(scope))
        if asked:
            noted.count(error)
        return noted.again(held_back=not asked)

    @property
    def left(self) -> float:
        """Seconds in which nobody asks for the key at all."""
        return self._noted[None].back_off.left if None in self._noted else 0.0

    def clear(self) -> None:
        """Forget them, as a token has come."""
        self._noted.clear()
