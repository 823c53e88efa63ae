"""The servers' configuration files, as data."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import yaml

from datamill_infra.clusters.lab.layout import DOMAIN
from datamill_infra.clusters.lab.requirements import CNI_FOLDER
from datamill_infra.drivers.files import write_private

if TYPE_CHECKING:
    from pathlib import Path

    from datamill_infra.clusters.lab.layout import Lab

RUNTIME_SOCKET = "/run/containerd/containerd.sock"
SANDBOX_IMAGE = "datamill.lab/pause:1"
CLIENTS = ("admin", "kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy", "local-volumes")
CAP_SYS_RESOURCE = 24


def write_settings(lab: Lab, *, restricted_scores: bool) -> None:
    """Write every configuration file of the lab's servers.

    Args:
        lab: its PKI is written.
        restricted_scores: this machine does not let processes be protected from the out-of-memory killer.
    """
    folder = lab.path("settings")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(folder / "containerd.toml", _containerd(lab, restricted_scores=restricted_scores))
    write_private(folder / "kubelet.yaml", yaml.safe_dump(_kubelet(lab)))
    write_private(folder / "kube-proxy.yaml", yaml.safe_dump(_kube_proxy(lab)))
    write_private(folder / "audit-policy.yaml", yaml.safe_dump(AUDIT_POLICY))
    # Nothing outside can be resolved, so pods that ask for the node's resolver get none.
    write_private(folder / "resolv.conf", "")
    (folder / "cni").mkdir(exist_ok=True)
    write_private(folder / "cni" / "10-lab.conflist", json.dumps(_cni(lab), indent=2))
    for client in (*CLIENTS, "network-policies"):
        write_private(folder / f"{client}.kubeconfig", kubeconfig(lab, client))


def kubeconfig(lab: Lab, client: str) -> str:
    """A kubeconfig file for one of the lab's clients, with everything inside it."""

    def inside(file: Path) -> str:
        return base64.b64encode(file.read_bytes()).decode("ascii")

    pki = lab.path("pki")
    name = lab.context
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": name, "cluster": {"server": lab.server, "certificate-authority-data": inside(pki / "ca.crt")}}
            ],
            "users": [
                {
                    "name": name,
                    "user": {
                        "client-certificate-data": inside(pki / f"{client}.crt"),
                        "client-key-data": inside(pki / f"{client}.key"),
                    },
                }
            ],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        },
        sort_keys=False,
    )


def may_protect_from_oom() -> bool:
    """Whether this process may lower ``oom_score_adj``: it has CAP_SYS_RESOURCE."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123  (a file of the kernel's, not a path)
        effective = next(line for line in status if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> CAP_SYS_RESOURCE & 1)


def _containerd(lab: Lab, *, restricted_scores: bool) -> str:
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""\
version = 2
root = "{lab.path("containerd")}"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt"]

[grpc]
address = "{RUNTIME_SOCKET}"

[{cri}]
sandbox_image = "{SANDBOX_IMAGE}"
restrict_oom_score_adj = {str(restricted_scores).lower()}
netns_mounts_under_state_dir = true
disable_tcp_service = true

[{cri}.cni]
bin_dir = "{CNI_FOLDER}"
conf_dir = "{lab.path("settings", "cni")}"

[{cri}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[{cri}.containerd.runtimes.runc.options]
SystemdCgroup = false
"""


def _cni(lab: Lab) -> dict[str, Any]:
    return {
        "cniVersion": "0.4.0",
        "name": lab.context,
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": True,
                # A pod may reach itself through its service.
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": str(lab.pods)}]],
                    # Services and this machine; there is nothing else to reach.
                    "routes": [{"dst": str(lab.services)}, {"dst": str(lab.link_network)}],
                },
            }
        ],
    }


def _kubelet(lab: Lab) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": str(lab.node_address),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(lab.path("pki", "ca.crt"))},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(lab.path("pki", "kubelet-server.crt")),
        "tlsPrivateKeyFile": str(lab.path("pki", "kubelet-server.key")),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{lab.context}",
        "failCgroupV1": False,
        "clusterDNS": [str(lab.dns_address)],
        "clusterDomain": DOMAIN,
        "containerRuntimeEndpoint": f"unix://{RUNTIME_SOCKET}",
        "resolvConf": str(lab.path("settings", "resolv.conf")),
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        "failSwapOn": False,
        "healthzBindAddress": "127.0.0.1",
        # Images come from archives and could not be pulled again: never collect them.
        "imageGCHighThresholdPercent": 100,
        # The disk is the machine's, and what is free on it in percent says little.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1Gi", "imagefs.available": "1Gi"},
        # What crashes is somebody's who is looking at it: 10 s and twice as long each time are for servers left alone.
        "featureGates": {"KubeletCrashLoopBackOffMax": True},
        "crashLoopBackOff": {"maxContainerRestartPeriod": "5s"},
    }


def _kube_proxy(lab: Lab) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": str(lab.path("settings", "kube-proxy.kubeconfig"))},
        "clusterCIDR": str(lab.pods),
        "hostnameOverride": lab.node,
        "bindAddress": str(lab.node_address),
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        # The table's size belongs to the machine and cannot be set from a namespace.
        "conntrack": {"maxPerCore": 0, "min": 0},
        # Services that are made and used at once are the rule here.
        "iptables": {"minSyncPeriod": "200ms"},
    }


AUDIT_POLICY: dict[str, Any] = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        # What the cluster says to itself all the time.
        {"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}]},
        {"level": "None", "resources": [{"group": "", "resources": ["events"]}, {"group": "events.k8s.io"}]},
        {
            "level": "None",
            "resources": [
                {"group": "authentication.k8s.io"},
                {"group": "authorization.k8s.io"},
            ],
        },
        # Every write, with its user and whether it was a dry run (in the URI); never a body, which may hold a secret.
        {"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
        {"level": "None"},
    ],
}
"""Writes to the API server, one JSON object a line in ``log/audit.log``: the proof that something wrote nothing."""
