"""The contract: what a `pipeline.yaml` may say, how it is read, and how its faults are reported."""
