"""Training: search, evaluate, register, and let a gate decide.

Lives here: the classifier and its search on Dask, the baselines, paired bootstrap intervals, the gate, the MLflow run
and the registry. Does not live here: features (:mod:`datamill_pipelines.batch`), serving
(:mod:`datamill_pipelines.serving`).
"""
