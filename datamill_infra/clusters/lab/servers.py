"""The command line of every server of the node."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from datamill_infra.clusters.lab.layout import API_PORT
from datamill_infra.clusters.lab.settings import RUNTIME_SOCKET

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from datamill_infra.clusters.lab.layout import Lab

ETCD = "http://127.0.0.1:2379"
# Megabytes and files after which the audit log is cut.
AUDIT_SIZE, AUDIT_FILES = 64, 4


@dataclass(frozen=True)
class Server:
    """One process of the node.

    Attributes:
        name: also of its log.
        argv: absolute program and arguments; no secrets.
        environment: all of it.
        after: who must listen before it starts, ``unix:PATH`` or ``tcp:HOST:PORT``, or answer well, ``https://...``;
            ``None`` for nobody.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    after: str | None


@dataclass(frozen=True)
class Programs:
    """Absolute paths.

    Attributes:
        kubernetes: the binary with all servers of Kubernetes, and ours.
        containerd: the container runtime.
        etcd: the store of the API server.
    """

    kubernetes: Path
    containerd: Path
    etcd: Path


def servers(lab: Lab, programs: Programs) -> tuple[Server, ...]:
    """All servers, in the order of their start."""
    # It listens before it has made the rights of its own clients, and some of them end when they are refused.
    api = f"{lab.server}/readyz"
    made: list[tuple[str, Path, list[str], str | None]] = [
        ("containerd", programs.containerd, ["--config", str(lab.path("settings", "containerd.toml"))], None),
        ("etcd", programs.etcd, _etcd(lab), None),
        ("kube-apiserver", programs.kubernetes, _apiserver(lab), "tcp:127.0.0.1:2379"),
        ("kubelet", programs.kubernetes, _kubelet(lab), f"unix:{RUNTIME_SOCKET}"),
        ("kube-controller-manager", programs.kubernetes, _controller_manager(lab), api),
        ("kube-scheduler", programs.kubernetes, _scheduler(lab), api),
        ("kube-proxy", programs.kubernetes, ["--config", str(lab.path("settings", "kube-proxy.yaml"))], api),
        ("local-volumes", programs.kubernetes, _local_volumes(lab), api),
        ("network-policies", programs.kubernetes, _network_policies(lab), api),
    ]
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
    return tuple(
        Server(
            name, (str(program), *([name] if program == programs.kubernetes else []), *arguments), environment, after
        )
        for name, program, arguments, after in made
    )


def node_plan(lab: Lab, programs: Programs) -> dict[str, Any]:
    """What the node's first process does, as it reads it."""
    return {
        "hostname": lab.node,
        # Who asks the API server whether it is ready; everybody it knows may.
        "identity": {
            "authority": str(lab.path("pki", "ca.crt")),
            "certificate": str(lab.path("pki", "kube-scheduler.crt")),
            "key": str(lab.path("pki", "kube-scheduler.key")),
        },
        "mounts": [
            [str(lab.path("log")), "/var/log"],
            [str(lab.path("kubelet")), "/var/lib/kubelet"],
            [str(lab.path("cni")), "/var/lib/cni"],
            # The kubelet sets these for the whole machine; here it finds them as it wants them.
            *([str(lab.path("kernel", name)), f"/proc/sys/{name.replace('.', '/')}"] for name in KERNEL_SETTINGS),
        ],
        "servers": [asdict(server) for server in servers(lab, programs)],
    }


# Values that the kubelet insists on.
KERNEL_SETTINGS: Mapping[str, str] = {
    "vm.overcommit_memory": "1",
    "vm.panic_on_oom": "0",
    "kernel.panic": "10",
    "kernel.panic_on_oops": "1",
    "kernel.keys.root_maxkeys": "1000000",
    "kernel.keys.root_maxbytes": "25000000",
}


def _etcd(lab: Lab) -> list[str]:
    return [
        "--name=lab",
        f"--data-dir={lab.path('etcd')}",
        f"--listen-client-urls={ETCD}",
        f"--advertise-client-urls={ETCD}",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--initial-advertise-peer-urls=http://127.0.0.1:2380",
        "--initial-cluster=lab=http://127.0.0.1:2380",
        # A busy disk must not cost the only member its leadership.
        "--heartbeat-interval=500",
        "--election-timeout=5000",
        "--logger=zap",
    ]


def _apiserver(lab: Lab) -> list[str]:
    pki = lab.path("pki")
    return [
        f"--advertise-address={lab.node_address}",
        f"--bind-address={lab.node_address}",
        f"--secure-port={API_PORT}",
        f"--etcd-servers={ETCD}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--tls-cert-file={pki / 'kube-apiserver.crt'}",
        f"--tls-private-key-file={pki / 'kube-apiserver.key'}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki / 'service-accounts.pub'}",
        f"--service-account-signing-key-file={pki / 'service-accounts.key'}",
        f"--service-cluster-ip-range={lab.services}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--anonymous-auth=false",
        "--profiling=false",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        f"--kubelet-client-certificate={pki / 'kubelet-client.crt'}",
        f"--kubelet-client-key={pki / 'kubelet-client.key'}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--audit-policy-file={lab.path('settings', 'audit-policy.yaml')}",
        f"--audit-log-path={lab.path('log', 'audit.log')}",
        f"--audit-log-maxsize={AUDIT_SIZE}",
        f"--audit-log-maxbackup={AUDIT_FILES}",
    ]


def _controller_manager(lab: Lab) -> list[str]:
    pki = lab.path("pki")
    return [
        *_clients(lab, "kube-controller-manager"),
        "--allocate-node-cidrs=true",
        f"--cluster-cidr={lab.pods}",
        f"--node-cidr-mask-size={lab.pods.prefixlen}",
        f"--service-cluster-ip-range={lab.services}",
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        f"--service-account-private-key-file={pki / 'service-accounts.key'}",
        "--use-service-account-credentials=true",
    ]


def _scheduler(lab: Lab) -> list[str]:
    return _clients(lab, "kube-scheduler")


def _clients(lab: Lab, name: str) -> list[str]:
    file = lab.path("settings", f"{name}.kubeconfig")
    return [
        f"--kubeconfig={file}",
        f"--authentication-kubeconfig={file}",
        f"--authorization-kubeconfig={file}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--profiling=false",
    ]


def _kubelet(lab: Lab) -> list[str]:
    return [
        f"--config={lab.path('settings', 'kubelet.yaml')}",
        f"--kubeconfig={lab.path('settings', 'kubelet.kubeconfig')}",
        f"--hostname-override={lab.node}",
        f"--node-ip={lab.node_address}",
        "--root-dir=/var/lib/kubelet",
    ]


def _local_volumes(lab: Lab) -> list[str]:
    return [f"--kubeconfig={lab.path('settings', 'local-volumes.kubeconfig')}", f"--root={lab.path('volumes')}"]


def _network_policies(lab: Lab) -> list[str]:
    return [
        f"--kubeconfig={lab.path('settings', 'network-policies.kubeconfig')}",
        f"--hostname-override={lab.node}",
        f"--service-cluster-ip-range={lab.services}",
    ]
