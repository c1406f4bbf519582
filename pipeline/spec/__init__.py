"""The JSON that asks for a sweep: what may be written, how it is read, and what is wrong with it.

Here: the spec's model and its defaults, parsing, checks that need no data, `hpt.toml`. Not here: what a spec comes to
on a given day, which is the work of `plan/`. Importing this room imports neither pandas nor torch.
"""

from pipeline.spec.model import Spec
from pipeline.spec.parse import from_dict, from_json, json_schema, parse_budget, read

__all__ = ["Spec", "from_dict", "from_json", "json_schema", "parse_budget", "read"]
