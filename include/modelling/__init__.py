"""Modelling: features, training, metrics, and the comparison of a candidate with the champion."""
