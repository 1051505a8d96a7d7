#!/usr/bin/env bash
# Installs the base of regress, no torch among it, into an environment of its own, which leaves the
# job's Python as it was, and hands out the path of the command.
#
# PYTHON    the interpreter to make the environment with
# VERSION   what pip is to install; the checkout that this action is part of if empty
set -euo pipefail

checkout=$(cd "$GITHUB_ACTION_PATH/../../.." && pwd)
environment=$(mktemp -d "${RUNNER_TEMP:-/tmp}/regress-gate.XXXXXX")
"$PYTHON" -m venv "$environment"
pip=("$environment/bin/python" -m pip install --quiet --disable-pip-version-check)
if [ -n "$VERSION" ]; then
  "${pip[@]}" -- "$VERSION"
else
  "${pip[@]}" --constraint "$checkout/constraints.txt" -- "$checkout"
fi
echo "command=$environment/bin/regress" >> "$GITHUB_OUTPUT"
