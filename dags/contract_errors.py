"""Shows every broken pipeline as an import error, with all its faults, and builds no DAG.

The stages leave a broken pipeline out, so that the DAGs of the others stay; this file is where it
becomes visible: in the banner of Airflow's home page, and from `airflow dags list-import-errors`. A pipeline
whose suite or Python module is broken keeps its DAGs, and shows here too.
"""

from pathlib import Path

from millrace.dags.builder import raise_errors

STAGES = ("ingest", "labels", "decide", "decide_labels", "train", "monitor")

raise_errors(Path(__file__).with_name(f"{stage}.py") for stage in STAGES)
