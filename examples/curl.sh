#!/bin/sh
# Send three requests with curl: one flight, one with an explanation, one that is invalid.
#     make serve          in another terminal
#     examples/curl.sh    SCL_DELAY_URL sets another address
set -eu
url=${SCL_DELAY_URL:-http://localhost:3000}

ask() { # BODY
  curl --silent --show-error --max-time 30 --header 'content-type: application/json' \
    --data "$1" "$url/predict_delay"
  echo
}

echo '--- one flight'
ask '{"flights": [{"airline": "LAN", "flight_number": "120", "destination": "SCFA",
                   "scheduled_departure": "2017-07-14T08:30:00"}]}'

echo '--- why, and with the airport as it is now'
ask '{"flights": [{"airline": "LAN", "flight_number": "120", "destination": "SCFA",
                   "scheduled_departure": "2017-07-14T08:30:00"}],
      "airport_state": {"observed_at": "2017-07-14T07:30:00",
        "last_hour": {"departures": 9, "late_share": 0.33, "mean_delay_minutes": 14.5},
        "last_3_hours": {"departures": 17, "late_share": 0.24, "mean_delay_minutes": 9.0}},
      "explain": true}'

echo '--- an invalid field: status 422 with its name'
ask '{"flights": [{"airline": "latam", "flight_number": "120", "destination": "SCFA",
                   "scheduled_departure": "2017-07-14T08:30:00"}]}'
