"""Sources: adapters that turn what devices say into quality-flagged readings."""
