"""The command `precomplaint`."""
