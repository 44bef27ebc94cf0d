"""From recordings to weights: pretraining, hindsight, adaptation, promotion."""
