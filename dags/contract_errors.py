"""Shows every broken pipeline as an import error, with all its faults, and builds no DAG.

The stages leave a broken pipeline out, so that the DAGs of the others stay; this file is where it
becomes visible: in the banner of Airflow's home page, and from `airflow dags list-import-errors`.
"""

from millrace.dags.builder import raise_faults

raise_faults()
