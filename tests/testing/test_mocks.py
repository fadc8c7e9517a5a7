"""What users put in Setle's place in tests of their own."""

import httpx
import pytest

import setle


@pytest.mark.parametrize("content", ["json", "stream"])
def test_an_answer_of_httpx_mock_transport_is_read(content: str) -> None:
    """A mocked answer gives a token, be it read already, as httpx makes it, or a stream."""
    grant = {"access_token": "mocked", "expires_in": 60, "token_type": "Bearer"}

    def answer(request: httpx.Request) -> httpx.Response:
        whole = httpx.Response(200, json=grant)
        return whole if content == "json" else httpx.Response(200, stream=whole.stream)

    source = setle.TokenSource(
        setle.ClientCredentials("id", "secret"),
        httpx_args={"transport": httpx.MockTransport(answer)},
    )
    assert source.get_token().value == "mocked"


def test_a_mocked_refusal_says_what_the_mock_said() -> None:
    """The body of a mocked error is in the error."""
    refusal = httpx.Response(401, json={"statusCode": 401, "message": "no such client"})
    source = setle.TokenSource(
        setle.ClientCredentials("id", "secret"),
        httpx_args={"transport": httpx.MockTransport(lambda request: refusal)},
    )
    with pytest.raises(setle.TokenRejectedError, match="no such client"):
        source.get_token()


def test_a_mocked_answer_has_the_same_limit() -> None:
    """More than 1 MiB is no token, wherever it comes from, and an empty answer is none either."""
    answers = [httpx.Response(200, content=b" " * ((1 << 20) + 1)), httpx.Response(200)]
    for answer in answers:
        source = setle.TokenSource(
            setle.ClientCredentials("id", "secret"),
            store=setle.MemoryTokenStore(),
            httpx_args={"transport": httpx.MockTransport(lambda request, answer=answer: answer)},
        )
        with pytest.raises(setle.TokenResponseError):
            source.get_token()
