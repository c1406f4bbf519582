"""The JSON that asks for a sweep: its model, its parser, and the explanation of its mistakes.

Here: the model with its defaults, parsing, checks that need no data, `hpt.toml`. Not here: turning a spec into a sweep
on a given day, which is the work of `plan/`. Importing this room imports neither pandas nor torch.
"""

from pipeline.spec.model import Spec
from pipeline.spec.parse import from_dict, from_json, json_schema, parse_budget, read

__all__ = ["Spec", "from_dict", "from_json", "json_schema", "parse_budget", "read"]
