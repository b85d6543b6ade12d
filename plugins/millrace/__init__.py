"""Millrace for Airflow: hooks, operators, sensors, runtimes and the builders that DAG files use."""
