"""What flights, observations, planes and airports hold: names, types, units, valid ranges."""

from __future__ import annotations

from dataclasses import dataclass

from datamill_pipelines.stream.schema import Column, MessageSchema


@dataclass(frozen=True)
class Range:
    """Valid values of a number, both ends included."""

    low: float
    high: float


INSTANT = "timestamp[us, tz=UTC]"

FLIGHTS = MessageSchema(
    (
        Column("year", "int64", required=True, description="Year of the scheduled departure"),
        Column("month", "int64", required=True, description="Month of the scheduled departure"),
        Column("day", "int64", required=True, description="Day of the scheduled departure, local"),
        Column("dep_time", "int64", description="Actual departure, local, HHMM; null when cancelled"),
        Column("sched_dep_time", "int64", required=True, description="Scheduled departure, local, HHMM"),
        Column("dep_delay", "int64", description="Minutes that it left late; negative is early"),
        Column("arr_time", "int64", description="Actual arrival, local, HHMM; null when it did not arrive"),
        Column("sched_arr_time", "int64", required=True, description="Scheduled arrival, local, HHMM"),
        Column("arr_delay", "int64", description="Minutes that it arrived late; negative is early"),
        Column("carrier", "string", required=True, description="Airline, two letters"),
        Column("flight", "int64", required=True, description="Flight number"),
        Column("tailnum", "string", description="Tail number of the aircraft"),
        Column("origin", "string", required=True, description="Airport of departure, FAA code"),
        Column("dest", "string", required=True, description="Airport of destination, FAA code"),
        Column("air_time", "int64", description="Minutes in the air"),
        Column("distance", "int64", required=True, description="Miles between the airports"),
        Column("hour", "int64", required=True, description="Hour of the scheduled departure, local"),
        Column("minute", "int64", required=True, description="Minute of the scheduled departure"),
        Column("time_hour", INSTANT, required=True, description="Hour of the scheduled departure, an instant"),
    )
)
"""One message of the topic ``flights``."""

WEATHER = MessageSchema(
    (
        Column("origin", "string", required=True, description="Airport of the station, FAA code"),
        Column("year", "int64", required=True, description="Year, local"),
        Column("month", "int64", required=True, description="Month, local"),
        Column("day", "int64", required=True, description="Day, local"),
        Column("hour", "int64", required=True, description="Hour, local"),
        Column("temp", "double", description="Temperature, Fahrenheit"),
        Column("dewp", "double", description="Dew point, Fahrenheit"),
        Column("humid", "double", description="Relative humidity, percent"),
        Column("wind_dir", "int64", description="Wind direction, degrees"),
        Column("wind_speed", "double", description="Wind speed, miles per hour"),
        Column("wind_gust", "double", description="Gust speed, miles per hour"),
        Column("precip", "double", description="Precipitation, inches"),
        Column("pressure", "double", description="Sea level pressure, millibars"),
        Column("visib", "double", description="Visibility, miles"),
        Column("time_hour", INSTANT, required=True, description="The hour of the observation, an instant"),
    )
)
"""One message of the topics ``weather/<station>``."""

PLANES = (
    Column("tailnum", "string", required=True, description="Tail number"),
    Column("year", "int64", description="Year of manufacture"),
    Column("type", "string", description="Type of aircraft"),
    Column("manufacturer", "string", description="Manufacturer"),
    Column("model", "string", description="Model"),
    Column("engines", "int64", description="Number of engines"),
    Column("seats", "int64", description="Number of seats"),
    Column("speed", "int64", description="Average cruising speed, miles per hour"),
    Column("engine", "string", description="Type of engine"),
)
"""The table ``raw/planes``."""

AIRPORTS = (
    Column("faa", "string", required=True, description="FAA code"),
    Column("name", "string", required=True, description="Name"),
    Column("lat", "double", required=True, description="Latitude, degrees"),
    Column("lon", "double", required=True, description="Longitude, degrees"),
    Column("alt", "int64", description="Altitude, feet"),
    Column("tz", "int64", description="Hours from UTC, without daylight saving"),
    Column("dst", "string", description="Daylight saving: A is the US rule, N none, U unknown"),
    Column("tzone", "string", description="IANA time zone"),
)
"""The table ``raw/airports``."""

FLIGHT_RANGES = {
    "year": Range(2013, 2013),
    "month": Range(1, 12),
    "day": Range(1, 31),
    "dep_time": Range(1, 2400),
    "sched_dep_time": Range(0, 2359),
    "dep_delay": Range(-120, 24 * 60),
    "arr_time": Range(1, 2400),
    "sched_arr_time": Range(0, 2359),
    "arr_delay": Range(-180, 24 * 60),
    "air_time": Range(1, 24 * 60),
    "distance": Range(1, 10_000),
    "hour": Range(0, 23),
    "minute": Range(0, 59),
}
"""What a flight may hold. Data outside are landed all the same; the check says so."""

WEATHER_RANGES = {
    "year": Range(2013, 2013),
    "month": Range(1, 12),
    "day": Range(1, 31),
    "hour": Range(0, 23),
    "temp": Range(-40, 130),
    "dewp": Range(-60, 130),
    "humid": Range(0, 100),
    "wind_dir": Range(0, 360),
    "wind_speed": Range(0, 200),
    "wind_gust": Range(0, 250),
    "precip": Range(0, 20),
    "pressure": Range(900, 1100),
    "visib": Range(0, 20),
}
"""What an observation may hold. One wind speed in the data (1,048 mph) is outside."""
