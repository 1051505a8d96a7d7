"""Imports a table and tells the most memory that took, in kB."""

from __future__ import annotations

import json
import resource
import sys

from regress.workflows.imports import import_runs

import_runs(sys.argv[1], store="runs")
print(json.dumps({"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
