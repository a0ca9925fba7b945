"""Desks decide about what the rules tell, under the spine: alarms get a disposition, orders a life."""
