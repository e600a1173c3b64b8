"""Judging policies: whole sessions in simulators, reference policies, intervals."""
