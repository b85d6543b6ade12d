"""Operator of the export: the published table as other tools read it."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from millrace.operators.pipeline import PipelineOperator
from millrace.run import identity


class ExportOperator(PipelineOperator):
    """Brings the pipeline's Delta Lake table up to the lake's branch; returns an `ExportResult`.

    Skipped if it holds the newest commit of the table already. Raises Misconfigured if somebody else has
    written to the folder, Busy if others keep writing.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        """Write the commits that the export lacks."""
        from include.exports.export import export

        pipeline = self.load_pipeline()
        result = export(pipeline, self.connect_table(pipeline), run=identity(context))
        if not result.versions:
            raise AirflowSkipException("the export holds the newest commit of the table")
        return result.to_json()
