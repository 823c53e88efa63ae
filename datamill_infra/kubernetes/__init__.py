"""The one place that talks to a Kubernetes API server.

Lives here: objects and where they differ, pods and what keeps them from running, leases, forwarded ports. Does not live
here: what should be on a cluster (:mod:`datamill_infra.model`) and how it gets there
(:mod:`datamill_infra.drivers.helm`). Everything goes through :class:`.cluster.Cluster`; :mod:`.api` is the real one,
:mod:`.memory` the one for tests.
"""
