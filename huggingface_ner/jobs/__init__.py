"""The training queue, the worker, and the jobs that train models and send suggestions."""
