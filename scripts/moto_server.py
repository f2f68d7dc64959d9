"""moto's S3 server: `python moto_server.py PORT`, in the environment `moto`.

One request at a time: with threads, its conditional writes lose updates.
"""

import sys

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

if __name__ == "__main__":
    run_simple("127.0.0.1", int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=False)
