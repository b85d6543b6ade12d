"""The Millrace library: everything that does not need Airflow to run."""
