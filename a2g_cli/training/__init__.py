"""From recordings to weights: pretraining and finetuning."""
