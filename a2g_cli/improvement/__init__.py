"""Run and adapt, round after round: the loop, its state, its trials, its gate."""
