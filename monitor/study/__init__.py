"""Research about the monitoring itself: false alarms, replay, demonstration."""
