"""What stops a robot: every guard, for every robot, on unless it is said otherwise. ``docs/safety.md`` lists them."""
