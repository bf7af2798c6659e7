# The workflow is workflow/Snakefile; this file is where plain `snakemake` looks first.


include: "workflow/Snakefile"


workflow.default_target = "all"  # an included file cannot say so
