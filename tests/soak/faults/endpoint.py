"""What the token endpoint, the network to it, the credentials and the API do."""

import gzip
import json
import random
from functools import partial
from typing import TYPE_CHECKING

from setle.testing import Answer
from tests.soak.faults import LANES, lane
from tests.support.leaks import SECRET, made_up

if TYPE_CHECKING:
    from tests.soak.soak import Soak

_GRANT = {"access_token": "soaked", "expires_in": 3600, "token_type": "Bearer"}
_ANSWERS = {
    "500": Answer(500, json={"message": "Internal server error"}),
    "502 with a page of HTML": Answer(502, body="<html>Bad Gateway</html>"),
    "503": Answer(503),
    "429 with Retry-After": Answer(429, headers={"Retry-After": "1"}),
    "401 (invalid_client) for a moment": Answer(401, json={"error": "invalid_client"}),
    "403 with a list of messages": Answer(403, json={"message": ["no", "not you"]}),
    "400": Answer(400, json={"message": ["x-setle-client-id should not be empty"]}),
    "404": Answer(404, json={"message": "Cannot POST"}),
    "200 with a page of HTML": Answer(200, body="<html>Welcome</html>"),
    "200 with JSON of another shape": Answer(200, json=[["access_token", "x"]]),
    "A token that is a number": Answer(200, json={**_GRANT, "access_token": 7}),
    "A lifetime that is NaN": Answer(200, json={**_GRANT, "expires_in": float("nan")}),
    "An answer of 2 MiB": Answer(200, json={**_GRANT, "more": "x" * (2 << 20)}),
    "A compressed answer": Answer(
        200,
        body=gzip.compress(json.dumps(_GRANT).encode()),
        headers={"Content-Encoding": "gzip", "Content-Type": "application/json"},
    ),
    "An answer that drips": Answer(200, json=_GRANT, drip=0.1),
    "An answer that is cut off": Answer(200, json=_GRANT, hang_up=True),
    "A connection closed unanswered": Answer(hang_up=True),
    "A redirect elsewhere": Answer(307, headers={"Location": "http://127.0.0.1:9/"}),
}


def _answers(answer: Answer, soak: "Soak", chance: random.Random) -> None:
    soak.sandbox.script_token(*[answer] * 1_000)  # more than will be asked for meanwhile
    soak.rest(chance.uniform(0.5, 4.0))
    soak.sandbox._token_script.clear()
    # Without a new secret, who was refused would ask again after 30 s only.
    if answer.status in (400, 401, 403) and chance.random() < 0.75:
        soak.rotate(made_up(SECRET))


for _name, _answer in _ANSWERS.items():
    LANES["endpoint"][_name] = partial(_answers, _answer)


@lane("endpoint")
def _slow(soak: "Soak", chance: random.Random) -> None:
    """Answers that take a second."""
    before, soak.sandbox.delay = soak.sandbox.delay, 1.0
    soak.rest(chance.uniform(2.0, 5.0))
    soak.sandbox.delay = before


@lane("endpoint")
def _refuse(soak: "Soak", chance: random.Random) -> None:
    """Connections refused."""
    soak.relay.refuse()
    soak.rest(chance.uniform(0.5, 4.0))
    soak.relay.listen()


def _network(mode: str, soak: "Soak", chance: random.Random) -> None:
    soak.relay.mode = mode
    soak.rest(chance.uniform(0.5, 5.0))
    soak.relay.mode = "pass"


LANES["endpoint"]["Silence"] = partial(_network, "silence")
LANES["endpoint"]["Connections reset in mid-answer"] = partial(_network, "reset")


@lane("endpoint")
def _cut(soak: "Soak", chance: random.Random) -> None:
    """All connections cut at one instant."""
    with soak.sandbox.hold():
        soak.next_to_ask(2.0)
        soak.relay.cut()


@lane("endpoint")
def _rotate(soak: "Soak", chance: random.Random) -> None:
    """Secret rotated, its file with it."""
    soak.rotate(made_up(SECRET))


@lane("endpoint")
def _rotate_late(soak: "Soak", chance: random.Random) -> None:
    """Secret rotated, its file some seconds later."""
    soak.sandbox.client_secret = made_up(SECRET)
    soak.rest(chance.uniform(0.5, 3.0))
    soak.rotate(soak.sandbox.client_secret)


@lane("endpoint")
def _no_secret(soak: "Soak", chance: random.Random) -> None:
    """Secret's file away."""
    aside = soak.secret.rename(soak.secret.with_name("aside"))
    soak.rest(chance.uniform(0.5, 3.0))
    aside.rename(soak.secret)


@lane("endpoint")
def _broken_secret(soak: "Soak", chance: random.Random) -> None:
    """Secret's file of two lines."""
    soak.write_secret(f"{soak.sandbox.client_secret}\n.")
    soak.rest(chance.uniform(0.5, 3.0))
    soak.write_secret(soak.sandbox.client_secret)


@lane("tokens")
def _revoke(soak: "Soak", chance: random.Random) -> None:
    """All tokens revoked."""
    soak.sandbox.revoke()


@lane("tokens")
def _reject(soak: "Soak", chance: random.Random) -> None:
    """Every call refused with 401 for a moment."""
    soak.sandbox.reject_api = True
    soak.rest(chance.uniform(0.1, 1.0))
    soak.sandbox.reject_api = False
