"""The driver of Kubernetes targets: charts rendered, compared with what runs, applied by the real ``helm``.

Lives here: what a release is and how it gets where it should be. Does not live here: what a component is
(:mod:`datamill_infra.model`), and talking to the API server (:mod:`datamill_infra.kubernetes`). Read on in
:mod:`.driver`.
"""
