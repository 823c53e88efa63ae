"""What is counted; a module of the pipeline's own folder."""

from datamill_pipelines.ingestion.nycflights import flights


def flights_by_carrier(month: str) -> dict[str, int]:
    """Flights of a month by carrier."""
    table = flights([month])
    return dict(table["carrier"].value_counts().iter_rows())
