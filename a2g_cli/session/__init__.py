"""Episodes on a robot: rollout, evaluation, improvement."""
