"""Serve moto's S3 on 127.0.0.1, one request at a time: python serve_bucket.py PORT [forgetful]

`forgetful` is a server that does not know `If-None-Match`. It runs in the environment that has moto
and imports nothing of this project.
"""

import sys
from collections.abc import Callable
from typing import Any

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple


def main() -> None:
    """Serve until killed."""
    port, is_forgetful = int(sys.argv[1]), "forgetful" in sys.argv[2:]
    application = DomainDispatcherApplication(create_backend_app)

    def serve(environ: dict[str, Any], respond: Callable[..., Any]) -> Any:
        if is_forgetful:
            environ.pop("HTTP_IF_NONE_MATCH", None)
        return application(environ, respond)

    # moto looks whether a name is taken, and then writes: only one by one is that one step.
    run_simple("127.0.0.1", port, serve, threaded=False)


if __name__ == "__main__":
    main()
