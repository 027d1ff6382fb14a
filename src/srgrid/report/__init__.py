"""From per-image scores to tables, figures and the card. Knows tables and image arrays, not models or training."""
