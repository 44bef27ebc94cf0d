"""Improvement: rounds of practice and finetuning, with a gate for each new adapter."""
