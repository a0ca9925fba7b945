"""Rules: YAML to specs, conditions, windows, the alarm state machine and the engine that steps them."""
