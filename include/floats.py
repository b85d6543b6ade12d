"""Floats of 64 bits, which hold every whole number only up to a limit."""

from __future__ import annotations

MAX_EXACT = 2**53
"""Up to this size, a float of 64 bits (IEEE 754) holds every whole number."""
