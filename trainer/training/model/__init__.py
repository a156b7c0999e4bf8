"""Model: the base model and its encoders, from whatever files people have. Trains nothing."""
