"""Units: the ordered steps by which a component gets onto a cluster.

A unit is a chart, upstream manifests, a kustomization, or resources of our own (mostly custom resources of an
operator that an earlier unit installed). Sources are pinned by exact version and digest. Each unit says when it is
ready, so that the next one can start.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, JsonValue, StringConstraints, Tag, model_validator

from datamill_infra.model.validation import Line, Name, Part, wrong

Version = Annotated[str, StringConstraints(pattern=r"^v?\d+(\.\d+)*([-+][0-9A-Za-z][0-9A-Za-z.+-]*)?$")]
"""Exact: no ranges, no ``latest``."""

Digest = Annotated[str, StringConstraints(pattern=r"^(sha256:[0-9a-f]{64}|commit:[0-9a-f]{40})$")]
"""``sha256:`` of the archive or file, or ``commit:`` of a Git tree."""

Values = dict[str, JsonValue]
RelativePath = Annotated[
    str, StringConstraints(pattern=r"^(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*$")
]
"""A file of the component's folder."""

Files = Annotated[tuple[RelativePath, ...], Field(strict=False)]
Seconds = Annotated[int, Field(gt=0)]


class _Wait(Part):
    seconds: Seconds = 300
    """Budget of the wait."""


class RolloutReady(_Wait):
    """A workload has all its replicas updated and available: ``rollout: deployment/controller``."""

    rollout: Annotated[str, StringConstraints(pattern=r"^(deployment|statefulset|daemonset|job)/[a-z0-9.-]+$")]


class ConditionReady(_Wait):
    """A status condition is ``True``: ``condition: Ready``, ``of: kafkas.kafka.strimzi.io/datamill``."""

    condition: Line
    of: Line


class FieldReady(_Wait):
    """A status field has a value: ``field: status.phase``, ``equals: Running``, ``of: ...``."""

    field: Line
    equals: Line
    of: Line


class WebhookReady(_Wait):
    """An admission webhook's service answers; custom resources before that are refused by the API server."""

    webhook: Line


class EstablishedReady(_Wait):
    """Custom resource definitions are served: ``established: [kafkas.kafka.strimzi.io]``."""

    established: Annotated[tuple[Line, ...], Field(strict=False, min_length=1)]


_FORMS = ("rollout", "condition", "field", "webhook", "established")


def _form(value: object) -> str | None:
    keys = value if isinstance(value, dict) else getattr(type(value), "model_fields", {})
    return next((f"<{form}>" for form in _FORMS if form in keys), None)


Readiness = Annotated[
    Annotated[RolloutReady, Tag("<rollout>")]
    | Annotated[ConditionReady, Tag("<condition>")]
    | Annotated[FieldReady, Tag("<field>")]
    | Annotated[WebhookReady, Tag("<webhook>")]
    | Annotated[EstablishedReady, Tag("<established>")],
    Discriminator(
        _form,
        custom_error_type="fact",
        custom_error_message="this readiness has no known form",
        custom_error_context={"instruction": f"Start with one of {', '.join(_FORMS)}."},
    ),
]


class _Unit(Part):
    """What all units share.

    Attributes:
        name: unique within the component; override values are given under it.
        namespace: where it goes; when absent the deployment's system namespace, and for units of the whole cluster
            ``datamill-shared``.
        scope: ``cluster`` units are singletons that deployments share: adopted if present, never removed while claimed.
        stateful: holds data; removed with its data only on ``--delete-data``.
        keep: what a removal leaves in place.
        ready: what must hold before the next unit starts, all of it.
    """

    name: Name
    namespace: Name | None = None
    scope: Literal["namespace", "cluster"] = "namespace"
    stateful: bool = False
    keep: Annotated[tuple[Literal["data", "crds", "namespace", "secrets"], ...], Field(strict=False)] = ()
    ready: Annotated[tuple[Readiness, ...], Field(strict=False)] = ()


class ChartUnit(_Unit):
    """A Helm chart.

    Attributes:
        source: ``oci://...`` (with the chart), ``https://...`` (a chart repository), ``own:NAME`` (``helm/NAME``) or
            ``local:FOLDER`` (of the component's folder).
        chart: the chart's name in an ``https`` repository.
        version: exact.
        digest: of the packaged chart; charts of ``own:`` and ``local:`` have none.
        release: name of the Helm release; the unit's name when absent.
        crds: ``none`` the chart has none; ``install`` Helm installs them once; ``upgrade`` we apply them each time;
            ``separate`` another unit brings them.
        values_files: read in order below ``values``.
        values: chart values; templates may use ``${values.*}`` and every connection the component needs.
    """

    kind: Literal["chart"]
    source: Annotated[str, StringConstraints(pattern=r"^(oci://|https://|own:|local:)[A-Za-z0-9./_:-]+$")]
    chart: Line | None = None
    version: Version
    digest: Digest | None = None
    release: Name | None = None
    crds: Literal["none", "install", "upgrade", "separate"] = "none"
    values_files: Files = ()
    values: Values = Field(default_factory=dict)

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        if not self.digest and not self.source.startswith(("own:", "local:")):
            raise wrong(f"the chart {self.source} has no digest", "Add `digest: sha256:...` of the packaged chart.")
        if self.source.startswith("https://") != (self.chart is not None):
            raise wrong(
                "`chart` names a chart in an https repository, and only there", "Add or remove `chart` accordingly."
            )
        return self

    @property
    def local(self) -> str | None:
        """The chart's folder in the component's, or ``None`` when it is from elsewhere."""
        return self.source.removeprefix("local:") if self.source.startswith("local:") else None


class ManifestsUnit(_Unit):
    """Upstream manifests, one file at a pinned address."""

    kind: Literal["manifests"]
    source: Annotated[str, StringConstraints(pattern=r"^https://\S+$")]
    version: Version
    digest: Digest


class KustomizeUnit(_Unit):
    """A kustomization in a pinned Git tree.

    Attributes:
        source: the repository.
        path: the folder with ``kustomization.yaml`` in it.
        overlay: a folder of the component that is applied on top, or ``None``.
    """

    kind: Literal["kustomize"]
    source: Annotated[str, StringConstraints(pattern=r"^https://\S+$")]
    path: RelativePath
    version: Version
    digest: Digest
    overlay: RelativePath | None = None


class ResourcesUnit(_Unit):
    """Resources of our own: files of the component's folder, inline objects, or both; templates are resolved."""

    kind: Literal["resources"]
    files: Files = ()
    objects: Annotated[tuple[Values, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.files and not self.objects:
            raise wrong("a unit of resources needs `files` or `objects`", "Add one of them.")
        return self


_KINDS = ("chart", "manifests", "kustomize", "resources")


def _kind(value: object) -> str | None:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return f"<{kind}>" if kind in _KINDS else None


Unit = Annotated[
    Annotated[ChartUnit, Tag("<chart>")]
    | Annotated[ManifestsUnit, Tag("<manifests>")]
    | Annotated[KustomizeUnit, Tag("<kustomize>")]
    | Annotated[ResourcesUnit, Tag("<resources>")],
    Discriminator(
        _kind,
        custom_error_type="fact",
        custom_error_message="this unit has no known kind",
        custom_error_context={"instruction": f"Give `kind`, one of {', '.join(_KINDS)}."},
    ),
]
