"""The demo: the closed loop on real data, driven from outside as another system would."""
