"""A published policy at work: ranking the candidates of requests."""
