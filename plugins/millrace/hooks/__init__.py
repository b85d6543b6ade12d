"""Connections to the lake and to MLflow."""
