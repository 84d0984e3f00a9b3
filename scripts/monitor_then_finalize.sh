#!/usr/bin/env bash
here=$(dirname "$0") py=$here/../.venv/bin/python; [ -x "$py" ] || py=python3; exec "$py" "$here/monitor_then_finalize.py" "$@"
