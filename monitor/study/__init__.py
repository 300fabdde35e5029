"""Research about the monitoring: false alarm rates, and the replay of a year."""
