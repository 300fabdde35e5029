"""Table `predictions`, for the sink that writes it and the commands that read it."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Double,
    Integer,
    MetaData,
    String,
    Table,
)

predictions = Table(
    "predictions",
    MetaData(),
    # not a primary key: a write that is repeated after a lost answer must not fail
    Column("id", String(40), nullable=False, index=True),
    Column("time", DateTime(timezone=True), nullable=False, index=True),
    Column("model", String(200), nullable=False),
    Column("request_id", String(128)),
    Column("position", Integer, nullable=False),
    Column("airline", String(8), nullable=False),
    Column("flight_number", String(16), nullable=False),
    Column("destination", String(8), nullable=False),
    Column("flight_type", String(1)),
    Column("scheduled_departure", DateTime, nullable=False),
    Column("with_airport", Boolean, nullable=False),
    Column("probability", Double, nullable=False),
    Column("features", String(16), nullable=False),
)
