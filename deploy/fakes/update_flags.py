"""Write `flags.json` from an installed Cloud SDK: `python deploy/fakes/update_flags.py`.

The fake gcloud rejects commands and flags that are not in `flags.json`, as the real one does. Run
this again after a script uses a new command.
"""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
COMPLETIONS = "data/cli/gcloud_completions.py"


def main() -> None:
    """Look up the flags of each supported command in the completions of the installed SDK."""
    gcloud = Path(shutil.which("gcloud") or "gcloud").resolve()
    root = runpy.run_path(str(gcloud.parents[1] / COMPLETIONS))["STATIC_COMPLETION_CLI_TREE"]
    done = subprocess.run([gcloud, "version"], capture_output=True, text=True, check=True)  # noqa: S603 - the SDK found above
    commands = (HERE / "commands.txt").read_text().splitlines()
    flags = {
        "sdk": re.findall(r"Google Cloud SDK (\S+)", done.stdout)[0],
        "everywhere": dict(sorted(root["flags"].items())),
        "commands": {command: _flags(root, command) for command in commands},
    }
    (HERE / "flags.json").write_text(json.dumps(flags, indent=1) + "\n")


def _flags(root: dict[str, Any], command: str) -> dict[str, str]:
    node = root
    for word in command.split():
        node = node["commands"][word]
    return dict(sorted(node["flags"].items()))


if __name__ == "__main__":
    main()
