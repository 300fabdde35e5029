# %% [markdown]
# # Which hours of a week are risky?
#
# For analysts: run it cell by cell in VS Code or Jupyter (jupytext), or as a whole with
# `python examples/analyst.py`. It needs `pip install ./client pandas`.

# %%
"""Score a week's schedule as a frame and show the risk by hour of the day."""

from __future__ import annotations

import os

import pandas as pd

from scl_delay import DelayClient

client = DelayClient(os.environ.get("SCL_DELAY_URL", "http://localhost:3000"))
client.model()["model"]

# %% [markdown]
# ## The schedule
# A flight to Antofagasta every hour of a week in July. Your own file works too:
# `pd.read_csv("flights.csv")`, with these columns or those of dataset_SCL.csv.

# %%
schedule = pd.DataFrame(
    {"scheduled_departure": pd.date_range("2017-07-10", periods=7 * 24, freq="h")}
).assign(airline="LAN", flight_number="120", destination="SCFA")

# %% [markdown]
# ## The same frame with three more columns

# %%
scored = client.predict_frame(schedule)
print(scored.head())

# %% [markdown]
# ## Hours by days

# %%
risk = scored.pivot_table(
    index=scored["scheduled_departure"].dt.hour.rename("hour"),
    columns=scored["scheduled_departure"].dt.day_name().rename("day"),
    values="delay_probability",
)
print(risk.round(2).to_string())

# %%
best = scored.sort_values("delay_probability").iloc[0]
print(f"least risky: {best['scheduled_departure']}, {best['delay_probability']:.0%}")
client.close()
