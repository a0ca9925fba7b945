"""Sinks: what leaves the gateway: time series and tickets."""
