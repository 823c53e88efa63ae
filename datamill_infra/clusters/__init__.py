"""Clusters: making, looking at and removing the Kubernetes that a deployment runs on.

:mod:`~datamill_infra.clusters.provider` says what every provider can do; ``lab`` runs a real Kubernetes of one node in
namespaces of this machine, the others call the tools that make such clusters. Nothing here deploys a component.
"""
