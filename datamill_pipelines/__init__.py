"""Data and models: versioned datasets, and pipelines that read and write them as commits.

Lives here: the dataset store, ingestion, stream sinks, batch, training, serving, lineage.
Does not live here: anything that starts, stops or changes a component; that is :mod:`datamill_infra`.
Pipelines know capabilities (``kafka``, ``s3``), never components.
"""
