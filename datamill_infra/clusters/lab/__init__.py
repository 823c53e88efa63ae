"""The lab: a real Kubernetes of one node, in namespaces of this machine.

Kubernetes is built from its Go modules (:mod:`~datamill_infra.clusters.lab.builds`); container runtime and etcd are
the distribution's. One process, :mod:`~datamill_infra.clusters.lab.node`, is the init of namespaces of its own
(network, mounts, processes): all servers and all pods are its descendants, and when it ends the kernel takes everything
with it. What is left to remove by hand is a directory and some control groups.
"""
