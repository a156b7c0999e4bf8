"""Vision: what a vision language model says about photos, as features and sentences for captions."""
