"""The pocket model: a tiny but trained Z-Image and the script that makes it. Neither trainer nor nodes import it."""
