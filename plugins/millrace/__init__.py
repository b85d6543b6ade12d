"""Millrace for Airflow: hooks, operators, sensors and the parts that DAG files are wired from."""
