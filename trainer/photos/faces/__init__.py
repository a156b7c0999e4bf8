"""Faces: where they are and how they look at the camera. Detectors come in from outside; none downloads anything."""
