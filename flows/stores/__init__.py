"""What runs read and write beside tables: the last release, frozen models, policies, the world that workers learn in."""
