"""Pools of Dagster: what only so many steps may use at a time, wherever they run.

A limit is the instance's; the one in a cluster allows one step each. On one machine files are locked instead.
"""

MQTT_SESSION = "mqtt-session"
"""The session from which ``raw/weather`` is landed: a broker throws the older of two users out."""
