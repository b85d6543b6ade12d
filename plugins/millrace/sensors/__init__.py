"""Sensors: they wait for what is absent and never fail for it before their time-out."""
