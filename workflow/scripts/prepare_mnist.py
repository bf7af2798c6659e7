"""Put the four verified files of MNIST, or of a dataset in its shape, into a folder.

A user's fault is one line on stderr and exit status 1.
"""

import logging
import signal
import sys
from pathlib import Path

from active_dendrites.data import download
from active_dendrites.settings.datasets import DATASETS, MNIST
from active_dendrites.settings.options import Parser, use_any_encoding


def main() -> None:
    use_any_encoding()
    parser = Parser(description=__doc__)
    parser.add_argument("--destination", type=Path, required=True, help="folder for the uncompressed files")
    parser.add_argument("--folder", default="", help="folder with the files, plain or .gz; empty: download")
    parser.add_argument("--sha256", action="append", default=[], metavar="NAME=HEX", help="one for each file")
    unknown_help = "no sums are known; those of the first files, from this source, are kept"
    parser.add_argument("--no-sha256", nargs="?", const="any", metavar="SOURCE", help=unknown_help)
    parser.add_argument("--dataset", default=MNIST, choices=DATASETS, help="default mnist")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # SIGTERM must unwind the stack like Ctrl-C, so that downloads under way are stopped and removed.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))

    sums = {name: digest for name, _, digest in (pair.partition("=") for pair in arguments.sha256)}
    folder = Path(arguments.folder).expanduser() if arguments.folder else None
    try:
        download.fetch(arguments.destination, None if arguments.no_sha256 else sums, folder, arguments.dataset)
    except (ValueError, OSError) as error:
        sys.exit(f"prepare_mnist: {error}")


if __name__ == "__main__":
    main()
