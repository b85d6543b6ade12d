"""Monitoring: how a champion does, and whether it has to be retrained."""
