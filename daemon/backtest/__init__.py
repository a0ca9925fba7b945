"""Histories and rule tests, fed through the same Pipeline as production."""
