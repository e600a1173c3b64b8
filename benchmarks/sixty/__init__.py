"""Sixty nights under Prefect schedules, with everything that goes wrong in two months."""
