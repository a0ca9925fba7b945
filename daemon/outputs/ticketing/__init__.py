"""Ticketing services: the reference contract, and whatever speaks otherwise."""
