"""Operators: each `execute` gets its hooks, calls one plain function of `include`, returns small JSON."""
