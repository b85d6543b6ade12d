"""The demo: the closed loop on real data, driven through Airflow's REST API."""
