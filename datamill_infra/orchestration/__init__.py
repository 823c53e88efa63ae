"""Dagster on top of the model and the drivers: assets, checks, jobs, a sensor, and where captured logs go.

Lives here: how the platform looks to Dagster. Does not live here: what a component is (:mod:`..model`) and how it is
brought up (:mod:`..drivers`), which the command line uses as well. Read on in :mod:`.assets`.
"""
