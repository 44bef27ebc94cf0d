"""Rolling episodes out on a robot: control loop, resets, success judges, evaluation, safety."""
