"""Batch: raw flights, weather, aircraft and airports become features, one table a month.

Lives here: what is known two hours before departure (:mod:`.knowledge`), the table (:mod:`.schema`), and two engines
that build the same rows. Does not live here: how raw data arrive (:mod:`datamill_pipelines.ingestion`), what a model
makes of the features (:mod:`datamill_pipelines.training`).
"""
