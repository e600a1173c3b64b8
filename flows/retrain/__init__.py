"""The flow nightly-retrain: simulators, policy, evaluation, gate; begin reading in ``flow``."""
