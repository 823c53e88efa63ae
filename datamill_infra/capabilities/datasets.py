"""``datasets``: where versioned datasets are kept.

Fields: ``provider`` (``native``, or ``pachyderm``: see :mod:`.pachyderm_server`), ``url`` (``s3://bucket/prefix`` or
``file:///directory``); for ``s3://`` also ``endpoint``, ``region``, ``path_style`` and the secrets ``access_key`` and
``secret_key``.

Commits of the native provider rest on one promise of the store: of many writers that create the same object, exactly
one succeeds. Some servers keep it when they are asked one at a time and break it under load, so the probe asks
concurrently.
"""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from datamill_infra.capabilities import pachyderm_server
from datamill_infra.capabilities.attempt import Attempt, host_and_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from datamill_infra.capabilities.attempt import Observation
    from datamill_infra.model.connections import ResolvedConnection

RACERS = 8
PREFIX = ".datamill-probe"


def probe(connection: ResolvedConnection, *, timeout: float) -> Observation:
    """Have eight writers create one object; ask a Pachyderm server for its version and projects.

    Raises:
        UnhealthyError: the location cannot be used, or more or fewer than one of them succeeded.
    """
    if connection.get("provider") == "pachyderm":
        return pachyderm_server.probe(connection, timeout=timeout)
    url = connection.text("url")
    endpoint = connection.get("endpoint")
    attempt = Attempt(connection, f"{url} on {endpoint}" if endpoint else url, timeout)
    if (provider := connection.get("provider", "native")) != "native":
        raise attempt.failed(
            f"the provider {provider!r} is not known",
            instruction="Use `native` or `pachyderm`.",
        )
    parts = urlsplit(url)
    if parts.scheme == "s3":
        winners = _race_on_s3(connection, parts.netloc, parts.path.strip("/"), attempt)
    elif parts.scheme == "file":
        winners = _race_on_disk(Path(unquote(parts.path)), attempt)
    else:
        raise attempt.failed(
            f"datasets cannot be kept at {parts.scheme}://", instruction="Use s3://bucket or file:///."
        )
    if winners != 1:
        raise attempt.failed(
            f"{winners} of {RACERS} concurrent writers were told that they created the same object; without that"
            " promise commits would overwrite one another",
            instruction="Use a store with conditional writes (If-None-Match), or a local directory.",
        )
    return attempt.observed("of concurrent writers exactly one wins", url=url)


def environment(connection: ResolvedConnection) -> dict[str, str]:
    """There is no convention; the address under a speaking name. The keys are those of ``s3``."""
    return {"DATAMILL_DATASETS_URL": connection.text("url")}


def _race_on_s3(connection: ResolvedConnection, bucket: str, prefix: str, attempt: Attempt) -> int:
    # boto3 takes a third of a second to import; a local directory needs none of it.
    import botocore.exceptions  # noqa: PLC0415

    from datamill_infra.capabilities import s3  # noqa: PLC0415

    attempt.reach(*host_and_port(connection.text("endpoint"), 80))
    client = s3.open_client(connection, attempt.left("opening a client"))
    key = "/".join(part for part in (prefix, PREFIX, secrets.token_hex(8)) if part)

    def create(number: int) -> bool:
        try:
            client.put_object(Bucket=bucket, Key=key, Body=str(number).encode(), IfNoneMatch="*")
        except botocore.exceptions.ClientError as error:
            if s3.error_code(error) in s3.TAKEN:
                return False
            raise
        return True

    try:
        winners = _race(create, attempt)
        attempt.left("deleting the object")
        client.delete_object(Bucket=bucket, Key=key)
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        if isinstance(error, botocore.exceptions.ClientError) and s3.error_code(error) in s3.ABSENT:
            raise attempt.failed(
                f"there is no bucket {bucket}",
                instruction=f"`datamill up -c {connection.component}` creates it; for an external store create it.",
            ) from None
        raise s3.explain(attempt, error) from None
    finally:
        client.close()
    return winners


def _race_on_disk(directory: Path, attempt: Attempt) -> int:
    file = directory / f"{PREFIX}-{secrets.token_hex(8)}"

    def create(_number: int) -> bool:
        try:
            file.open("xb").close()
        except FileExistsError:
            return False
        return True

    try:
        directory.mkdir(parents=True, exist_ok=True)
        winners = _race(create, attempt)
        file.unlink()
    except OSError as error:
        raise attempt.failed(f"the directory cannot be used ({error.strerror})") from None
    return winners


def _race(create: Callable[[int], bool], attempt: Attempt) -> int:
    attempt.left(f"creating one object {RACERS} times at once")
    with ThreadPoolExecutor(RACERS, thread_name_prefix="datasets-probe") as pool:
        return sum(pool.map(create, range(RACERS)))
