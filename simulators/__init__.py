"""Stand-ins for the hardware and the services around the gateway; they never import the daemon."""
