"""``datamill cluster``: Kubernetes clusters to deploy on, one file per verb."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from datamill_infra.cli.root import COMMANDS, LazyGroup
from datamill_infra.clusters.place import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VERBS: Mapping[str, str] = {
    "create": "Make a cluster and wait until it is ready; start what does not run of one that exists.",
    "delete": "Remove a cluster with everything in it.",
    "status": "Ask a cluster how it is (exit code 1 when it is not ready).",
    "load-image": "Give images to every node of a cluster, from archives.",
    "build-images": "Build the images that the lab's nodes run, and write them to an archive.",
    "kubeconfig": "Print the administrator's kubeconfig of a cluster, or write it to a file.",
}

# Written here too (a test compares them), so that --help imports no provider.
KINDS = ("lab", "kind", "k3d", "minikube", "microk8s", "multipass", "eks", "gke", "kops")
DEFAULT_NAME = "datamill"


def provider_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Who makes the cluster, and where: the parameters ``kind`` and ``place``."""

    @functools.wraps(command)
    def placed(
        *arguments: object, region: str | None, project: str | None, state: str | None, **options: object
    ) -> object:
        return command(*arguments, place=Place(region, project, state), **options)

    for option in (
        click.option("--state", help="State store of kops, e.g. s3://BUCKET."),
        click.option("--project", help="Project of Google Cloud (gke)."),
        click.option("--region", help="Region of the cloud (eks, gke, kops); a zone for a cluster of gke in one zone."),
        click.option(
            "--provider", "kind", type=click.Choice(KINDS), required=True, help="Who makes or made the cluster."
        ),
    ):
        placed = option(placed)
    return placed


def name_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """The cluster's name, as an optional argument."""
    return click.argument("name", default=DEFAULT_NAME)(command)


@click.group(
    cls=LazyGroup,
    package=__name__,
    summaries=VERBS,
    help=COMMANDS["cluster"]
    + f"\n\nNAME is {DEFAULT_NAME} unless given. No verb changes your own kubeconfig or its current context.",
)
def command() -> None:
    """Nothing is shared by the verbs."""
