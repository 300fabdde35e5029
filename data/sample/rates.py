"""Rounded yearly rates of departures from Santiago in 2017, which shape the embedded sample.

They describe the whole year and no single flight: counts are rounded to tens, shares to per
cent. "Late" means more than 15 minutes after the schedule.
"""

from __future__ import annotations

from typing import NamedTuple


class Route(NamedTuple):
    """Flights of an airline to a destination: yearly number and share that is late."""

    airline: str
    destination: str
    flights: int
    late: float


ROUTES = (
    Route("AAL", "KMIA", 400, 0.07),
    Route("AAL", "KDFW", 360, 0.07),
    Route("ACA", "CYYZ", 280, 0.31),
    Route("ACA", "SAEZ", 280, 0.60),
    Route("AFR", "LFPG", 360, 0.08),
    Route("AMX", "MMMX", 350, 0.03),
    Route("ARG", "SABE", 1600, 0.26),
    Route("ARG", "SAEZ", 350, 0.17),
    Route("AUT", "SACO", 40, 0.25),
    Route("AUT", "SABE", 30, 0.13),
    Route("AVA", "SKBO", 880, 0.32),
    Route("AVA", "SPJC", 270, 0.10),
    Route("AZA", "LIRF", 260, 0.11),
    Route("BAW", "EGLL", 200, 0.14),
    Route("CMP", "MPTO", 1850, 0.06),
    Route("DAL", "KATL", 360, 0.06),
    Route("GLO", "SBGR", 650, 0.38),
    Route("GLO", "SBGL", 140, 0.26),
    Route("IBE", "LEMD", 360, 0.10),
    Route("JAT", "SCCF", 230, 0.17),
    Route("JAT", "SCFA", 210, 0.17),
    Route("JAT", "SCIE", 180, 0.19),
    Route("JAT", "SCAT", 120, 0.15),
    Route("JAT", "SCSE", 120, 0.17),
    Route("JAT", "SCTE", 110, 0.19),
    Route("JAT", "SCQP", 90, 0.17),
    Route("JMR", "SCIE", 80, 0.43),
    Route("KLM", "SAEZ", 250, 0.08),
    Route("LAN", "SCFA", 3930, 0.14),
    Route("LAN", "SCCF", 3360, 0.10),
    Route("LAN", "SPJC", 3100, 0.21),
    Route("LAN", "SCTE", 2780, 0.16),
    Route("LAN", "SCIE", 2400, 0.12),
    Route("LAN", "SCDA", 2350, 0.16),
    Route("LAN", "SCCI", 1600, 0.14),
    Route("LAN", "SCQP", 1550, 0.13),
    Route("LAN", "SCSE", 1480, 0.15),
    Route("LAN", "SABE", 1460, 0.28),
    Route("LAN", "SAEZ", 1460, 0.24),
    Route("LAN", "SCAR", 1390, 0.14),
    Route("LAN", "SAME", 1080, 0.21),
    Route("LAN", "SCAT", 1010, 0.13),
    Route("LAN", "SBGR", 980, 0.22),
    Route("LAN", "SUMU", 780, 0.21),
    Route("LAN", "SKBO", 720, 0.19),
    Route("LAN", "SCBA", 710, 0.13),
    Route("LAN", "SACO", 640, 0.26),
    Route("LAN", "KMIA", 610, 0.27),
    Route("LAN", "LEMD", 490, 0.22),
    Route("LAN", "SCIP", 450, 0.20),
    Route("LAN", "SEGU", 420, 0.19),
    Route("LAN", "KJFK", 380, 0.22),
    Route("LAN", "NZAA", 360, 0.37),
    Route("LAN", "MMMX", 350, 0.16),
    Route("LAN", "SCVD", 290, 0.12),
    Route("LAN", "SCPQ", 240, 0.08),
    Route("LAN", "SLLP", 210, 0.15),
    Route("LAN", "SCJO", 160, 0.14),
    Route("LAN", "KLAX", 160, 0.25),
    Route("LAN", "SBFL", 140, 0.18),
    Route("LAN", "SLVR", 120, 0.25),
    Route("LAN", "MMUN", 60, 0.19),
    Route("LAN", "SAAR", 60, 0.37),
    Route("LAN", "MDPC", 50, 0.33),
    Route("LAN", "SCNT", 50, 0.11),
    Route("LAN", "SANT", 40, 0.26),
    Route("LAN", "YMML", 40, 0.55),
    Route("LAN", "SAZN", 40, 0.11),
    Route("LAN", "SANU", 40, 0.23),
    Route("LAN", "KMCO", 30, 0.26),
    Route("LAP", "SGAS", 220, 0.28),
    Route("LAW", "SPJC", 810, 0.43),
    Route("LAW", "SCIE", 350, 0.29),
    Route("LAW", "SAME", 220, 0.64),
    Route("LAW", "SCTE", 130, 0.27),
    Route("LAW", "SCFA", 70, 0.33),
    Route("LRC", "SPJC", 90, 0.12),
    Route("ONE", "SBGR", 280, 0.15),
    Route("PUE", "LEMD", 40, 0.62),
    Route("QFU", "YSSY", 200, 0.58),
    Route("SKU", "SCFA", 1580, 0.16),
    Route("SKU", "SCCF", 1550, 0.15),
    Route("SKU", "SCDA", 1380, 0.19),
    Route("SKU", "SCTE", 1340, 0.16),
    Route("SKU", "SCAR", 1040, 0.13),
    Route("SKU", "SCIE", 980, 0.16),
    Route("SKU", "SCQP", 950, 0.19),
    Route("SKU", "SAEZ", 900, 0.22),
    Route("SKU", "SPJC", 890, 0.17),
    Route("SKU", "SCSE", 800, 0.18),
    Route("SKU", "SCAT", 650, 0.14),
    Route("SKU", "SCCI", 490, 0.20),
    Route("SKU", "SCVD", 470, 0.18),
    Route("SKU", "SACO", 340, 0.39),
    Route("SKU", "SAME", 320, 0.23),
    Route("SKU", "SUMU", 280, 0.20),
    Route("SKU", "SCBA", 130, 0.23),
    Route("SKU", "SCJO", 100, 0.27),
    Route("SKU", "SAAR", 40, 0.33),
    Route("SKU", "SCNT", 30, 0.06),
    Route("TAM", "SBGR", 1660, 0.22),
    Route("TAM", "SBGL", 1270, 0.28),
    Route("TAM", "SPJC", 80, 0.36),
    Route("TAM", "SAAR", 40, 0.51),
    Route("UAL", "KIAH", 340, 0.05),
)

MONTHLY_FLIGHTS = (6110, 5560, 5480, 5020, 5240, 4980, 5990, 5740, 5610, 6030, 6080, 6360)
"""January to December."""

MONTHLY_LATE = (0.16, 0.15, 0.12, 0.12, 0.16, 0.17, 0.29, 0.17, 0.17, 0.23, 0.20, 0.25)

WEEKDAY_FLIGHTS = (10100, 9670, 9730, 10240, 10330, 8310, 9830)
"""Monday to Sunday."""

WEEKDAY_LATE = (0.20, 0.17, 0.17, 0.20, 0.22, 0.16, 0.16)

HOURLY_FLIGHTS = {
    "N": (
        *(1, 7, 9, 0, 11, 41, 75, 77, 60, 43, 49, 65),
        *(55, 55, 59, 55, 46, 68, 74, 61, 47, 25, 14, 4),
    ),
    "I": (
        *(34, 42, 10, 16, 21, 32, 46, 66, 68, 53, 20, 41),
        *(45, 53, 53, 59, 44, 30, 45, 43, 39, 45, 58, 37),
    ),
}
"""By flight type, per mille of its flights, midnight to 23 hours."""

HOURLY_LATE = (
    *(0.24, 0.14, 0.22, 0.09, 0.13, 0.12, 0.12, 0.15, 0.19, 0.18, 0.15, 0.20),
    *(0.18, 0.21, 0.18, 0.21, 0.21, 0.20, 0.21, 0.20, 0.21, 0.23, 0.21, 0.21),
)

DELAY_QUANTILES = (
    *((0.0, -14), (0.005, -12), (0.02, -9), (0.05, -6), (0.1, -4), (0.2, -2), (0.3, 0)),
    *((0.4, 2), (0.5, 4), (0.6, 6), (0.7, 9), (0.75, 12), (0.8, 14), (0.815, 15.5)),
    *((0.85, 19), (0.9, 26), (0.925, 32), (0.95, 43), (0.97, 60), (0.98, 75)),
    *((0.99, 102), (0.995, 123), (0.999, 153), (1.0, 161)),
)
"""Share of all flights, and the delay in minutes that they do not exceed."""

OPERATORS = {
    ("LAN", "N"): (("LAN", 0.39), ("LXP", 0.61)),
    ("LAN", "I"): (("LAN", 0.85), ("LPE", 0.09), ("DSM", 0.03), ("LNE", 0.03)),
    ("AVA", "I"): (("AVA", 0.77), ("LRC", 0.23)),
    ("LAW", "N"): (("JMR", 1.0),),
    ("LAW", "I"): (("JMR", 1.0),),
    ("QFU", "I"): (("QFA", 1.0),),
}
"""Operating airlines by scheduled airline and flight type; others operate their own flights."""

OPERATOR_NAMES = {
    "AAL": "American Airlines",
    "ACA": "Air Canada",
    "AFR": "Air France",
    "AMX": "Aeromexico",
    "ARG": "Aerolineas Argentinas",
    "AUT": "Austral",
    "AVA": "Avianca",
    "AZA": "Alitalia",
    "BAW": "British Airways",
    "CMP": "Copa Air",
    "DAL": "Delta Air",
    "GLO": "Gol Trans",
    "IBE": "Iberia",
    "JAT": "JetSmart SPA",
    "JMR": "Latin American Wings",
    "KLM": "K.L.M.",
    "LAN": "Grupo LATAM",
    "LAP": "Grupo LATAM",
    "LAW": "Latin American Wings",
    "LRC": "Lacsa",
    "ONE": "Oceanair Linhas Aereas",
    "PUE": "Plus Ultra Lineas Aereas",
    "QFU": "Qantas Airways",
    "SKU": "Sky Airline",
    "TAM": "Grupo LATAM",
    "UAL": "United Airlines",
}
"""Names in the file by airline of the schedule."""

CITIES = {
    "CYYZ": "Toronto",
    "EGLL": "Londres",
    "KATL": "Atlanta",
    "KDFW": "Dallas",
    "KIAH": "Houston",
    "KJFK": "Nueva York",
    "KLAX": "Los Angeles",
    "KMCO": "Orlando",
    "KMIA": "Miami",
    "LEMD": "Madrid",
    "LFPG": "Paris",
    "LIRF": "Roma",
    "MDPC": "Punta Cana",
    "MMMX": "Ciudad de Mexico",
    "MMUN": "Cancun",
    "MPTO": "Ciudad de Panama",
    "NZAA": "Auckland N.Z.",
    "SAAR": "Rosario",
    "SABE": "Buenos Aires",
    "SACO": "Cordoba",
    "SAEZ": "Buenos Aires",
    "SAME": "Mendoza",
    "SANT": "Tucuman",
    "SANU": "San Juan, Arg.",
    "SAZN": "Neuquen",
    "SBFL": "Florianapolis",
    "SBGL": "Rio de Janeiro",
    "SBGR": "Sao Paulo",
    "SCAR": "Arica",
    "SCAT": "Copiapo",
    "SCBA": "Balmaceda",
    "SCCF": "Calama",
    "SCCI": "Punta Arenas",
    "SCDA": "Iquique",
    "SCFA": "Antofagasta",
    "SCIE": "Concepcion",
    "SCIP": "Isla de Pascua",
    "SCJO": "Osorno",
    "SCNT": "Puerto Natales",
    "SCPQ": "Castro (Chiloe)",
    "SCQP": "Temuco",
    "SCSE": "La Serena",
    "SCTE": "Puerto Montt",
    "SCVD": "Valdivia",
    "SEGU": "Guayaquil",
    "SGAS": "Asuncion",
    "SKBO": "Bogota",
    "SLLP": "La Paz",
    "SLVR": "Santa Cruz",
    "SPJC": "Lima",
    "SUMU": "Montevideo",
    "YMML": "Melbourne",
    "YSSY": "Sydney",
}
"""As the file writes them, by destination."""
