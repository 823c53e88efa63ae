"""The platform: components and flavours as a pure model, drivers that realise them, Dagster and a CLI as thin faces.

Lives here: ``model`` (pure), ``capabilities`` (protocol probes), ``drivers`` (one door to each kind of target),
``catalogue`` and ``flavours`` (facts as files), ``orchestration`` (Dagster), ``cli``.
Does not live here: data and models, which are in :mod:`datamill_pipelines`.
"""
