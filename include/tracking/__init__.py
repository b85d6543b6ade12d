"""MLflow: the store of runs, numbers, reports and registered models."""
