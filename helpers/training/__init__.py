"""Stage 4: train and evaluate."""
