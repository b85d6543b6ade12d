"""Airflow's long-running components as the embedded stack starts them: at rest while there is no work."""
