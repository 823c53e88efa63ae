"""Serving: the champion behind the Open Inference Protocol, and every prediction on record.

Lives here: publishing a registered model to a model server's repository, asking it, and recording each prediction with
its id, model version and inputs. Does not live here: training and the registry (:mod:`datamill_pipelines.training`).
"""
