"""Imported once by the server that workers are forked from: the heavy libraries that tasks use."""

# ruff: noqa: F401, TID253

import evidently
import evidently.metrics
import great_expectations
import lakefs_client.client
import mlflow
import mlflow.sklearn
import pandas
import pyarrow.csv
import pyarrow.parquet
import sklearn.compose
import sklearn.ensemble
import sklearn.metrics
import sklearn.pipeline
