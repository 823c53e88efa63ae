"""``dask``: a Dask scheduler with workers.

Fields: ``scheduler`` (``tcp://host:port``), ``dashboard``.

The probe has a worker compute something: a scheduler without workers accepts work and never does it.
"""

from __future__ import annotations

import asyncio
import operator
import secrets
from typing import TYPE_CHECKING, Any

import distributed

from datamill_infra.capabilities.attempt import Attempt, host_and_port

if TYPE_CHECKING:
    from datamill_infra.capabilities.attempt import Observation
    from datamill_infra.model.connections import ResolvedConnection

DEFAULT_PORT = 8786
# Of what is left of the budget, for the computation to get its turn.
PATIENCE = 0.6


def probe(connection: ResolvedConnection, *, timeout: float) -> Observation:
    """Connect, ask the scheduler who it is, and have a worker add two numbers.

    When all threads are busy with the computations of others, workers that report to the scheduler meanwhile count as
    well: those computations may take hours.

    Raises:
        UnhealthyError: the scheduler does not answer, it has no workers, or none of them does anything.
    """
    address = connection.text("scheduler")
    attempt = Attempt(connection, address, timeout)
    attempt.reach(*host_and_port(address, DEFAULT_PORT))
    # A loop of our own: only the asynchronous client lets every step be bounded.
    return asyncio.run(_probe(address, attempt))


def environment(connection: ResolvedConnection) -> dict[str, str]:
    """What ``distributed.Client()`` connects to when it is given no address."""
    return {"DASK_SCHEDULER_ADDRESS": connection.text("scheduler")}


async def _probe(address: str, attempt: Attempt) -> Observation:
    client = distributed.Client(
        address,
        asynchronous=True,
        timeout=attempt.left("connecting to the scheduler"),
        set_as_default=False,
        name="datamill-probe",
    )
    try:
        async with asyncio.timeout(attempt.left("connecting to the scheduler")):
            await client
            return await _compute(client, attempt)
    except TimeoutError:
        raise attempt.failed("it accepts connections but does not answer") from None
    except MemoryError:
        # What another protocol sends is read as the length of a message.
        raise attempt.failed("it speaks another protocol") from None
    except (OSError, ValueError) as error:
        raise attempt.failed(f"it does not answer as a Dask scheduler ({error})") from None
    finally:
        await client.close(timeout=0)


async def _compute(client: distributed.Client, attempt: Attempt) -> Observation:
    attempt.left("asking the scheduler for its workers")
    before = await _workers(client)
    if not before:
        raise attempt.failed("the scheduler has no workers")
    patience = attempt.left("waiting for a worker to compute") * PATIENCE
    future = client.submit(operator.add, 1, 2, key=f"datamill-probe-{secrets.token_hex(6)}", pure=False)
    busy = False
    try:
        await asyncio.wait_for(future.result(), patience)
    except TimeoutError:
        after = await _workers(client)
        busy = any(after[name]["last_seen"] > before[name]["last_seen"] for name in before.keys() & after.keys())
        if not busy:
            raise attempt.failed(f"none of its {len(after)} workers computes anything, or reports") from None
    finally:
        future.release()
    threads = sum(worker["nthreads"] for worker in before.values())
    return attempt.observed(
        f"{_count(len(before), 'worker')} with {_count(threads, 'thread')}{', all busy' if busy else ''}",
        workers=len(before),
        threads=threads,
        version=distributed.__version__,
        busy=busy,
    )


async def _workers(client: distributed.Client) -> dict[str, dict[str, Any]]:
    """Address to what the scheduler knows of a worker."""
    identity = await client.scheduler.identity(n_workers=-1)
    workers: dict[str, dict[str, Any]] = identity["workers"]
    return workers


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
