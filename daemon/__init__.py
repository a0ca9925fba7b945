"""The gateway daemon of precomplaint: sensors → rules → time series and Level-I work orders (预投诉工单)."""

__version__ = "0.1.0"
