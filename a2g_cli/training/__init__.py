"""Training on recordings: pretraining a base, and finetuning adapters."""
