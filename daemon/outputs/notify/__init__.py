"""Telling people: group robots, mail and the rest."""
