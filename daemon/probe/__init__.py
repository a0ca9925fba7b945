"""What stands on a wire or behind an address, found out for a person. Nothing here writes to a peer."""
