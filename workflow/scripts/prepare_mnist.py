"""Put the four verified MNIST files into a folder; a user's fault is one line on stderr and exit status 1."""

import argparse
import logging
import signal
import sys
from pathlib import Path

from active_dendrites import mnist


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--destination", type=Path, required=True, help="folder for the uncompressed files")
    parser.add_argument("--folder", default="", help="folder with the files, plain or .gz; empty: download")
    parser.add_argument("--sha256", action="append", default=[], metavar="NAME=HEX", help="one for each file")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # SIGTERM must unwind the stack like Ctrl-C, so that downloads under way are stopped and removed.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))

    sums = {name: digest for name, _, digest in (pair.partition("=") for pair in arguments.sha256)}
    folder = Path(arguments.folder).expanduser() if arguments.folder else None
    try:
        mnist.fetch(arguments.destination, sums, folder)
    except (ValueError, OSError) as error:
        sys.exit(f"prepare_mnist: {error}")


if __name__ == "__main__":
    main()
