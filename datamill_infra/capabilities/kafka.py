"""``kafka``: an event log that speaks Kafka's protocol.

Fields: ``bootstrap_servers``, ``security_protocol``, ``sasl_mechanism``, ``username``; secret ``password``.

The probe asks for the cluster's metadata, which needs a login and a working controller. It uses confluent-kafka: the
pure Python client leaves a thread behind for each cluster it could not reach, and does not tell a refused password
from a silent server.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, cast

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from datamill_infra.capabilities.attempt import Attempt, host_and_port
from datamill_infra.model.errors import UnhealthyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from confluent_kafka.admin import ClusterMetadata

    from datamill_infra.capabilities.attempt import Observation
    from datamill_infra.model.connections import ResolvedConnection

    Answers = SimpleQueue[tuple[AdminClient, ClusterMetadata | KafkaException]]
    """Which client was told what."""

DEFAULT_PORT = 9092
PROVISION_SECONDS = 30.0
# How often we look whether the login was refused while we wait for metadata.
SLICE_SECONDS = 0.5
REFUSED = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})  # noqa: SLF001  (librdkafka's own codes begin so)

# librdkafka logs what it also tells the error callback.
QUIET = logging.getLogger("datamill.librdkafka")
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False


def probe(connection: ResolvedConnection, *, timeout: float) -> Observation:
    """Log in and ask for the cluster's metadata.

    Raises:
        UnhealthyError: no broker answered, or the cluster has no controller.
    """
    attempt = _reach(connection, timeout)
    cluster = _Admin(connection, attempt).metadata()
    brokers = len(cluster.brokers)
    if not brokers or cluster.controller_id < 0:
        raise attempt.failed("the cluster has no controller yet")
    return attempt.observed(
        f"{brokers} broker{'s' if brokers > 1 else ''}, cluster {cluster.cluster_id}",
        cluster_id=cluster.cluster_id,
        brokers=brokers,
    )


def provision(connection: ResolvedConnection, claim: Mapping[str, object]) -> None:
    """Create the topics a claim names, unless they are there.

    Args:
        connection: where.
        claim: ``{"topics": [name, ...]}`` or ``{"topics": {name: {partitions: 4, replication: 1, config: {...}}}}``;
            what a topic leaves out is the broker's default. Topics that exist are left as they are.

    Raises:
        UnhealthyError: the cluster refused, or did not answer.
    """
    wanted = _topics(claim.get("topics") or ())
    if wanted:
        attempt = _reach(connection, PROVISION_SECONDS)
        _Admin(connection, attempt).create(wanted)


def environment(connection: ResolvedConnection) -> dict[str, str]:
    """There is no convention; each part under the name that most clients' examples use."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": connection.text("bootstrap_servers"),
        "KAFKA_SECURITY_PROTOCOL": str(connection.get("security_protocol") or "PLAINTEXT"),
        "KAFKA_SASL_MECHANISM": str(connection.get("sasl_mechanism") or ""),
        "KAFKA_SASL_USERNAME": str(connection.get("username") or ""),
        "KAFKA_SASL_PASSWORD": str(connection.get("password") or ""),
    }


def client_options(connection: ResolvedConnection) -> dict[str, Any]:
    """How confluent-kafka is told where the cluster is and who we are: part of its clients' configuration."""
    options = {
        "bootstrap.servers": connection.text("bootstrap_servers"),
        "security.protocol": str(connection.get("security_protocol") or "PLAINTEXT"),
    }
    if options["security.protocol"].startswith("SASL"):
        options["sasl.mechanism"] = str(connection.get("sasl_mechanism") or "PLAIN")
        options["sasl.username"] = connection.text("username")
        options["sasl.password"] = connection.text("password")
    return options


class _Admin:
    """An admin client within the budget of one attempt."""

    def __init__(self, connection: ResolvedConnection, attempt: Attempt) -> None:
        self._attempt = attempt
        self._errors: list[KafkaError] = []
        self._options = {
            **client_options(connection),
            "client.id": "datamill-probe",
            "error_cb": self._errors.append,
            "logger": QUIET,
        }
        self._client = AdminClient(self._options)

    def metadata(self) -> ClusterMetadata:
        """Of the cluster, with all topics.

        A client that has heard where the brokers say that they are asks them there, which through a forwarded port
        means nothing. Then another one asks, too, and the first answer counts.
        """
        doing, patience = "asking for the cluster's metadata", SLICE_SECONDS
        answers: Answers = SimpleQueue()
        asking = {self._client}
        self._ask(self._client, answers, self._attempt.left(doing))
        while True:
            answer = None
            with contextlib.suppress(Empty):
                self._client, answer = answers.get(timeout=min(patience, self._attempt.left(doing)))
            if answer is not None and not isinstance(answer, KafkaException):
                return answer
            self._give_up_when_refused(asking)
            if self._attempt.spent > self._attempt.timeout - SLICE_SECONDS / 2:
                raise self._attempt.failed(self._reason(answer))
            if any(said.code() == KafkaError._RESOLVE for said in self._errors):  # noqa: SLF001  (as above)
                self._client, patience = AdminClient(self._options), 2 * patience
                self._errors.clear()
            elif answer is None:
                continue
            asking.add(self._client)
            self._ask(self._client, answers, self._attempt.left(doing))

    @staticmethod
    def _ask(client: AdminClient, answers: Answers, seconds: float) -> None:
        def ask() -> None:
            try:
                answers.put((client, client.list_topics(timeout=seconds)))
            except KafkaException as error:
                answers.put((client, error))

        threading.Thread(target=ask, name="kafka-metadata", daemon=True).start()

    def create(self, wanted: Mapping[str, NewTopic]) -> None:
        """Create what is missing, and wait until it can be used."""
        present = self.metadata().topics
        missing = [topic for name, topic in wanted.items() if name not in present]
        if not missing:
            return
        doing = f"creating the topics {', '.join(topic.topic for topic in missing)}"
        for name, created in self._client.create_topics(missing, request_timeout=self._attempt.left(doing)).items():
            try:
                created.result()
            except KafkaException as error:
                # Somebody else may have created it in this moment, which is what we want, too.
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise self._attempt.failed(f"it refused the topic {name} ({error.args[0].str()})") from None
        while any(topic.topic not in self.metadata().topics for topic in missing):
            self._attempt.left("waiting for the new topics to appear")

    def _give_up_when_refused(self, asking: Iterable[AdminClient]) -> None:
        for client in asking:
            client.poll(0)  # delivers what happened on the way
        for error in self._errors:
            if error.code() in REFUSED:
                raise self._attempt.refused(error.str())

    def _reason(self, error: KafkaException | None) -> str:
        told = [said.str() for said in self._errors if said.code() != KafkaError._ALL_BROKERS_DOWN]  # noqa: SLF001
        why = error.args[0].str() if error else "no metadata"
        return told[-1] if told else f"it accepts connections but does not answer as Kafka ({why})"


def _reach(connection: ResolvedConnection, timeout: float) -> Attempt:
    """An attempt on a cluster of which at least one of the named brokers accepts connections."""
    servers = connection.text("bootstrap_servers")
    attempt = Attempt(connection, servers, timeout)
    refusal: UnhealthyError | None = None
    for server in servers.split(","):
        try:
            attempt.reach(*host_and_port(server.strip(), DEFAULT_PORT))
        except UnhealthyError as error:
            refusal = error
        else:
            return attempt
    raise refusal or attempt.failed("the connection names no servers")


def _topics(wanted: object) -> dict[str, NewTopic]:
    if isinstance(wanted, str):
        wanted = [wanted]
    settings = wanted if isinstance(wanted, dict) else dict.fromkeys(cast("Iterable[str]", wanted))
    return {name: _topic(name, dict(given or {})) for name, given in settings.items()}


def _topic(name: str, given: Mapping[str, Any]) -> NewTopic:
    config = {key: str(value) for key, value in (given.get("config") or {}).items()}
    return NewTopic(name, given.get("partitions", -1), given.get("replication", -1), config=config)
