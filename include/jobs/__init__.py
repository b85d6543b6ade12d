"""Jobs: the model code of a pipeline, run the same way in a worker, in a container and in a pod."""
