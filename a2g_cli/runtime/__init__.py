"""Episodes on a robot: rollout, control loop, safety, evaluation."""
