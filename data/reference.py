"""Reference data of the schedule's codes: patterns, airlines, airports and distances."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import asin, cos, radians, sin, sqrt

HOME_AIRPORT = "SCEL"
TIME_ZONE = "America/Santiago"

DELAY_MINUTES = 15
"""A flight is late when it leaves strictly more than this many minutes after its schedule."""

# The data set has its own codes for hired aircraft, such as 48O: airlines may have digits.
AIRLINE_PATTERN = r"[A-Z0-9]{3}"
AIRPORT_PATTERN = r"[A-Z]{4}"
FLIGHT_NUMBER_PATTERN = r"[0-9]{1,5}[A-Z]?"
"""Regular expressions of the codes, without anchors."""

MEAN_EARTH_RADIUS_KM = 6371.0088

# Names by the codes in the flights of 2017. Some are the airport's and not ICAO's: QFU as well as
# QFA for Qantas, and 48O and 56R for aircraft that Latin American Wings hired.
AIRLINES: dict[str, str] = {
    "48O": "Latin American Wings (hired aircraft)",
    "56R": "Latin American Wings (hired aircraft)",
    "AAL": "American Airlines",
    "ACA": "Air Canada",
    "AFR": "Air France",
    "AMX": "Aeroméxico",
    "ARG": "Aerolíneas Argentinas",
    "AUT": "Austral",
    "AVA": "Avianca",
    "AZA": "Alitalia",
    "BAW": "British Airways",
    "CMP": "Copa Airlines",
    "DAL": "Delta Air Lines",
    "DSM": "LATAM Argentina",
    "GLO": "Gol",
    "IBE": "Iberia",
    "JAT": "JetSmart",
    "JMR": "Latin American Wings",
    "KLM": "KLM",
    "LAN": "LATAM Airlines",
    "LAP": "LATAM Paraguay",
    "LAW": "Latin American Wings",
    "LNE": "LATAM Ecuador",
    "LPE": "LATAM Perú",
    "LRC": "Lacsa (Avianca Costa Rica)",
    "LXP": "LATAM Express",
    "ONE": "Oceanair (Avianca Brasil)",
    "PUE": "Plus Ultra",
    "QFA": "Qantas",
    "QFU": "Qantas",
    "SKU": "Sky Airline",
    "TAM": "LATAM Brasil",
    "TPU": "Avianca Perú",
    "UAL": "United Airlines",
}


@dataclass(frozen=True, slots=True)
class Airport:
    """An airport by its ICAO code.

    Attributes
    ----------
    code
        Four capital letters, e.g. ``"SCFA"``.
    name, city
        As `airportsdata` spells them.
    country
        Two letters of ISO 3166, e.g. ``"CL"``.
    latitude, longitude
        Degrees, north and east positive.
    """

    code: str
    name: str
    city: str
    country: str
    latitude: float
    longitude: float


# Quito's airport closed in 2013 and is in no list any more, but the schedule of 2017 has it.
_CLOSED_AIRPORTS = (Airport("SEQU", "Antiguo Mariscal Sucre", "Quito", "EC", -0.1411, -78.4882),)

# Usual name of an airport's city, where the list has a suburb's name or no accents.
_CITIES = {
    "CYYZ": "Toronto",
    "MPTO": "Panamá",
    "SACO": "Córdoba",
    "SAEZ": "Buenos Aires (Ezeiza)",
    "SABE": "Buenos Aires (Aeroparque)",
    "SAWH": "Ushuaia",
    "SBGL": "Rio de Janeiro",
    "SBGR": "São Paulo",
    "SCAT": "Copiapó",
    "SCIE": "Concepción",
    "SCIP": "Isla de Pascua",
    "SCPQ": "Castro",
    "SCQP": "Temuco",
    "SCSE": "La Serena",
    "SGAS": "Asunción",
    "SKBO": "Bogotá",
    "SLLP": "La Paz",
}


def airport(code: str) -> Airport | None:
    """Look up an airport.

    Parameters
    ----------
    code
        ICAO code in capital letters.

    Returns
    -------
    Airport or None
        ``None`` if the code is unknown.

    Raises
    ------
    ImportError
        If `airportsdata`, a package of the training environment, is missing.

    Examples
    --------
    >>> airport("SCFA").city
    'Antofagasta'
    """
    return _airports().get(code)


def great_circle_km(code: str, origin: str = HOME_AIRPORT) -> float | None:
    """Return the great-circle distance between two airports (haversine), in kilometres.

    Parameters
    ----------
    code, origin
        ICAO codes in capital letters; `origin` must be a known one.

    Returns
    -------
    float or None
        ``None`` if `code` is unknown.

    Examples
    --------
    >>> round(great_circle_km("SCFA"))
    1107
    """
    there = airport(code)
    return None if there is None else _haversine_km(_airports()[origin], there)


@cache
def icao_by_iata() -> dict[str, str]:
    """Return the ICAO codes of airports by their IATA codes."""
    import airportsdata  # noqa: PLC0415 - slow to import, and not installed where the model is served

    return {code: entry["icao"] for code, entry in airportsdata.load("IATA").items()}


@cache
def _airports() -> dict[str, Airport]:
    import airportsdata  # noqa: PLC0415 - slow to import, and not installed where the model is served

    known = {here.code: here for here in _CLOSED_AIRPORTS}
    for code, entry in airportsdata.load("ICAO").items():
        known[code] = Airport(
            code=code,
            name=entry["name"],
            city=_CITIES.get(code, entry["city"]),
            country=entry["country"],
            latitude=entry["lat"],
            longitude=entry["lon"],
        )
    return known


def _haversine_km(here: Airport, there: Airport) -> float:
    south, north = radians(here.latitude), radians(there.latitude)
    half_height = sin((north - south) / 2) ** 2
    half_width = sin(radians(there.longitude - here.longitude) / 2) ** 2
    return 2 * MEAN_EARTH_RADIUS_KM * asin(sqrt(half_height + cos(south) * cos(north) * half_width))
