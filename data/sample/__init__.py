"""Generate the embedded sample: flights that resemble the real ones in form only."""
