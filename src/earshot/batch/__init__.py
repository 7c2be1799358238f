"""Thousands of hours: recordings to a table of segments on Ray, with a ledger of what is done.

Importing this package loads neither Ray nor pyarrow. ``run_batch`` does.
"""

from earshot.batch.cluster import ClusterError, ClusterOptions
from earshot.batch.progress import BatchProgress
from earshot.batch.run import BatchRequest, BatchResult, run_batch
from earshot.batch.settings import BatchOptions

__all__ = [
    "BatchOptions",
    "BatchProgress",
    "BatchRequest",
    "BatchResult",
    "ClusterError",
    "ClusterOptions",
    "run_batch",
]
