"""Learning a policy: networks, losses, replay, one loop; one file a method."""
