#!/usr/bin/env bash
here=$(dirname "$0") py=$here/../.venv/bin/python; [ -x "$py" ] || py=python3; exec "$py" "$here/post_run_sync_and_finalize.py" "$@"
