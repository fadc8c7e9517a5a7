"""What others save while a request fails here."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import setle
from setle._time import now
from setle.testing import Answer, Sandbox
from tests.support import source_of


class _Busy(setle.MemoryTokenStore):
    """A store into which another process saves a token just before this one asks."""

    def lock(self, key: str, timeout: float) -> AbstractContextManager[Callable[[], None]]:  # type: ignore[override]  # as the protocol has it
        return self._lock(key)

    @contextmanager
    def _lock(self, key: str) -> Iterator[Callable[[], None]]:
        theirs = setle.AccessToken.issued("theirs", 3600.0, at=now())
        yield lambda: self.save(key, theirs)


def test_a_token_saved_during_a_failing_request_is_used(sandbox: Sandbox) -> None:
    """Who was frozen, or had no luck, takes what others have got meanwhile."""
    sandbox.script_token(*[Answer(503)] * 3)
    assert source_of(sandbox, store=_Busy()).get_token().value == "theirs"
    assert sandbox.token_requests == 3
