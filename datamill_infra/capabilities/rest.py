"""JSON over HTTP, for the probes of servers that speak it."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Self

import requests

from datamill_infra.capabilities.attempt import host_and_port

if TYPE_CHECKING:
    from datamill_infra.capabilities.attempt import Attempt

# Enough of an error page to recognise it.
SHOWN_BODY = 200


class RestClient:
    """Requests below one base address, within the budget of one attempt.

    Args:
        attempt: gives budget and failures.
        url: base address, e.g. ``"http://127.0.0.1:5000"``.
        login: name and password, for servers that ask for them.
    """

    def __init__(self, attempt: Attempt, url: str, login: tuple[str, str] | None = None) -> None:
        self._attempt = attempt
        self._url = url.rstrip("/")
        host, _ = host_and_port(url, 80)
        self._session = requests.Session()
        # Proxies, .netrc and CA variables of the environment are meant for the outside.
        self._session.trust_env = not is_loopback(host)
        self._session.auth = login

    def __enter__(self) -> Self:
        """Use as a context manager; connections are closed at its end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._session.close()

    def get(self, path: str) -> str:
        """The text of a 200 answer.

        Raises:
            UnhealthyError: any other answer, or none.
        """
        return self._send("GET", path).text

    def status(self, method: str, path: str, body: object | None = None) -> int:
        """The status of any answer.

        Raises:
            UnhealthyError: there is none.
        """
        return self._answer(method, path, body).status_code

    def json(self, method: str, path: str, body: object | None = None) -> Any:  # noqa: ANN401  (JSON)
        """The JSON of a 200 answer.

        Raises:
            UnhealthyError: any other answer, or none, or something that is not JSON.
        """
        response = self._send(method, path, body)
        try:
            return response.json()
        except requests.JSONDecodeError:
            raise self._attempt.failed(
                f"the answer is not JSON: {response.text[:SHOWN_BODY]!r}; is this another server?"
            ) from None

    def _answer(self, method: str, path: str, body: object | None = None) -> requests.Response:
        remaining = self._attempt.left(f"asking {method} {path}")
        try:
            return self._session.request(method, f"{self._url}{path}", json=body, timeout=remaining)
        except requests.ConnectTimeout:
            raise self._attempt.failed("the host does not answer") from None
        except requests.Timeout:
            raise self._attempt.failed("it accepts connections but does not answer") from None
        except requests.ConnectionError as error:
            raise self._attempt.failed(_cause(error)) from None
        except requests.RequestException as error:
            raise self._attempt.failed(f"{type(error).__name__}: {error}") from None

    def _send(self, method: str, path: str, body: object | None = None) -> requests.Response:
        response = self._answer(method, path, body)
        if response.status_code in {requests.codes.unauthorized, requests.codes.forbidden}:
            raise self._attempt.refused(f"{response.status_code} {response.text[:SHOWN_BODY]!r}")
        if response.status_code != requests.codes.ok:
            raise self._attempt.failed(f"it answered {response.status_code}: {response.text[:SHOWN_BODY]!r}")
        return response


def is_loopback(host: str) -> bool:
    """Whether a host name can only mean this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _cause(error: BaseException) -> str:
    """What the operating system said, from below three libraries."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    return getattr(error, "strerror", None) or f"the connection failed ({type(error).__name__}: {error})"
