"""The ledger: the kept proofs of the self-test, each bound to what it depends on.

    attributes   what stands behind each attribute of a class, from its source
    imports      which modules run when a check is tried
    tree         the files of the project, one digest a file
    binding      the parts that a check depends on
    entries      the lines of suites/proofs.lock
    store        reading and replacing that file
    holding      which proofs hold, and why the others do not
    stamping     what a self-test showed, put in
    audit        a random sample tried again
    loading      what a run is told of all that

None of this decides a trial, therefore no proof depends on it.
"""
