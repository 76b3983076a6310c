//! What a person is told about each code: symptom, cause, and what to do.

use pipeline_model::error_pages::ErrorPage;

/// One page for each code of [`super::Error`], in order of their numbers.
pub const ERRORS: &[ErrorPage] = &[
    ErrorPage {
        code: "SLUICE-SOURCE-001",
        title: "a source file could not be read",
        cause: "The operating system refused to open or read a file of the source folder, or the disk failed.",
        remedy: "Check that the user who runs the stage may read the folder and its files, and that the disk or mount \
                 is there. The stages go on by themselves when it is.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-002",
        title: "a source file changed while it was read",
        cause: "Somebody wrote into a file of the source folder during a run. What was read could mix old and new.",
        remedy: "Nothing, if the writer finishes: the stage reads again. To avoid it, write a new file and rename it \
                 over the old one.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-003",
        title: "a source file is missing",
        cause: "The folder has no `provider_services.jsonl`, `providers.jsonl` or `bundles.jsonl`. Only \
                `subscription_fields.jsonl` may be absent.",
        remedy: "Put the file there, plain, as `.jsonl.gz` or as `.jsonl.zst`; an empty `.jsonl` file means a collection \
                 without documents.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-004",
        title: "the source folder does not exist",
        cause: "`source.url` names a folder that is not there, or a file.",
        remedy: "Correct `source.url`; it needs the absolute path: `file:///data/export`. In a container, check that \
                 the folder is mounted.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-005",
        title: "the source URL cannot be understood",
        cause: "`source.url` is empty, has no scheme, or does not have the form that its scheme asks for.",
        remedy: "Use `couchbase://host/bucket.scope`, `couchbases://…` for TLS, `file:///folder` or \
                 `generator:?services=40&providers=10000&bundles=20&fields=5&seed=1`.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-006",
        title: "unknown kind of source",
        cause: "`source.url` begins with a scheme that no source answers to.",
        remedy: "Use `couchbase://host/bucket.scope`, `couchbases://…`, `file:///folder` or `generator:?…`.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-007",
        title: "this build cannot read such a source",
        cause: "`source.url` names a Couchbase cluster, and this program was built without the client for it. The \
                stages have it; the command has it when it is built with `--features couchbase`.",
        remedy: "Build with `cargo build --release -p sluice --features couchbase`, or export the collections with \
                 `cbexport json -f lines` and use `file:///folder`.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-008",
        title: "unknown parameter of the generator",
        cause: "`source.url` has a parameter that the generator does not know, often a slip of the pen.",
        remedy: "Use the parameter that the message proposes. All of them: services, providers, bundles, fields, \
                 seed, skew, latency_ms, changed_percent, revision.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-009",
        title: "a parameter of the generator has a wrong value",
        cause: "A parameter in `source.url` is not a number, is outside its range, or is given twice.",
        remedy: "Give the value that the message asks for.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-010",
        title: "the field mapping cannot be used",
        cause: "In `source.mapping`, a field name is empty, or two meanings of one collection have the same name.",
        remedy: "Give each meaning its own field name; leave out what has the default name.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-011",
        title: "a source file is too big",
        cause: "A file of the source folder has more bytes, lines or ids than the index can address.",
        remedy: "Split the export into several folders and run Sluice on each with a scope of its own services.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-012",
        title: "a folder could not be written",
        cause: "The sample data or an export could not be written: no space, or no right to write.",
        remedy: "Free some space or choose a folder that may be written to.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-013",
        title: "reading stopped",
        cause: "The thread that read the source ended without an answer: the process was stopping, or Sluice has a \
                fault.",
        remedy: "If the process was not being stopped, report it with the log.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-014",
        title: "a Couchbase setting cannot be used",
        cause: "The URL holds a password, a certificate cannot be read, or two settings of `source.couchbase` \
                contradict each other. The message names the setting.",
        remedy: "Correct the setting. A password belongs into `source.couchbase.password_file` or \
                 SLUICE__SOURCE__COUCHBASE__PASSWORD.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-015",
        title: "the Couchbase cluster cannot be reached",
        cause: "No node answered at the address, TLS could not be agreed on, or a connection broke while documents \
                were read.",
        remedy: "Check the hosts and ports in `source.url`, the network, and with `couchbases://` the authority in \
                 `source.couchbase.ca_file`. The stages hold their messages and go on by themselves.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-016",
        title: "the Couchbase cluster gives no answer",
        cause: "The cluster was reached and then let a time-out pass: it is overloaded, rebalancing, or something \
                between it and Sluice swallows packets. A read by key also waits for a collection that is not there.",
        remedy: "Look at the cluster's load. If it is healthy and merely slow, raise the setting that the message \
                 names or lower `source.couchbase.page_size`. The stages hold their messages and go on by themselves.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-017",
        title: "the Couchbase cluster refuses the credentials",
        cause: "The user does not exist, the password is wrong, or the client certificate is not accepted.",
        remedy: "Correct `source.couchbase.username` and `password_file` and restart the stages. Nothing was lost: \
                 their messages wait.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-018",
        title: "the Couchbase user may not read",
        cause: "The user has no right to query or to read a collection.",
        remedy: "Let an administrator run the statement in the message, or `deploy/couchbase/user.sh`. The stages hold \
                 their messages and go on by themselves.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-019",
        title: "a Couchbase bucket, scope or collection is missing",
        cause: "`source.url` or `source.couchbase.collections` names something that the cluster does not have, or that \
                the user may not see.",
        remedy: "Correct the name, or create the collection: an empty one means that there are no such documents. The \
                 stages hold their messages and go on by themselves.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-020",
        title: "a Couchbase index is missing",
        cause: "The cluster cannot plan a statement because no index serves it, or the index is still being built.",
        remedy: "Run the statement in the message, or all of `deploy/couchbase/indexes.sql`. The stages hold their \
                 messages and go on by themselves when the index is online.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-021",
        title: "Couchbase refuses a statement",
        cause: "A statement is not understood. Those that Sluice makes are tested, so it is most likely one of \
                `source.couchbase.statements`, or a server that is older than 7.0.",
        remedy: "Try the statement in the cluster's query workbench, correct it, and start the stage again. Its \
                 messages wait.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-022",
        title: "the Couchbase cluster is busy",
        cause: "The cluster reports a temporary failure, an overload or a rate limit.",
        remedy: "Nothing: the stages slow down and try again without limit. If it lasts, lower \
                 `source.couchbase.concurrent_reads` or `requests_per_second`.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-023",
        title: "a Couchbase answer is not complete",
        cause: "The server ended a statement before its last row: it was cancelled, or ran into the server's time-out. \
                The rows that had come were thrown away.",
        remedy: "The stage tries again a few times; then the message is a dead letter. If a batch is too large for the \
                 cluster, start runs with a smaller one, or raise `source.couchbase.statement_timeout_ms`.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-024",
        title: "the Couchbase cluster failed",
        cause: "The server answered with an error that is its own; the message has its code and words.",
        remedy: "Look up the code in the server's documentation and its log. The stage tries again a few times; then \
                 the message is a dead letter, which can be replayed.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-025",
        title: "rows from Couchbase cannot be used",
        cause: "A statement of `source.couchbase.statements` gives rows that cannot be read page by page: not in the \
                order of `_id`, not behind `$after`, or a whole page of them without an `_id`. A single row of an \
                unexpected shape is not the cause: it rejects its document.",
        remedy: "Let the statement begin with `SELECT META(d).id AS _id, META(d).cas AS _cas, d AS doc`, hold \
                 `META(d).id > $after` and end with `ORDER BY META(d).id LIMIT $limit`. The stage tries again a few \
                 times; then the message is a dead letter, which can be replayed.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-026",
        title: "the clocks differ",
        cause: "The clock of the Couchbase cluster and that of this machine are more than some seconds apart.",
        remedy: "Let both follow the same time servers: certificates, tokens and logs are judged by them. Copying \
                 works all the same.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-027",
        title: "a source file gives no answer",
        cause: "A file of the source folder is there, and opening or reading it did not come back within \
                `source.read_timeout_ms`: most often a network mount whose server is gone.",
        remedy: "Bring the mount back, or put the files elsewhere. The stages hold their messages, try again, and go \
                 on by themselves. If a healthy disk is so slow, raise `source.read_timeout_ms`.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-028",
        title: "a source file is not a file",
        cause: "A named pipe, a device, a socket or a directory has the name of a source file. Such a thing can be \
                read once, never ends, or blocks who reads it, so it is not read at all.",
        remedy: "Put a regular file, or a symbolic link to one, in its place. The stages hold their messages and go on \
                 by themselves.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-029",
        title: "a collection has two files",
        cause: "The source folder has a collection both plain and compressed, or compressed in two ways. One of them \
                may be old, and nothing says which.",
        remedy: "Remove one of the two files that the message names. The stages hold their messages and go on by \
                 themselves.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-030",
        title: "a compressed source file is damaged",
        cause: "A `.gz` or `.zst` file ends too early, has a wrong checksum, or has something behind its end. Nothing \
                of it is used, since a part of an export would look like an export with less in it.",
        remedy: "Write the file again, best under another name and renamed when it is complete. `gzip -t` and \
                 `zstd -t` check it. The stages hold their messages and go on by themselves.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-031",
        title: "no place to unpack a source file",
        cause: "A compressed source file is unpacked into a temporary file, and that could not be made or written: the \
                folder has no space left, does not exist, or may not be written to.",
        remedy: "Free some space, or let `source.spool_dir` name a folder that has as much as the files hold unpacked. \
                 The stages hold their messages and go on by themselves.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-032",
        title: "the field names of a folder cannot be used",
        cause: "The source folder has a `sluice-mapping.json`, as an export of a source with other field names writes \
                it, and that is no JSON, has an unknown key, or gives one name to two fields.",
        remedy: "Correct the file, remove it if the fields have the default names, or set `source.mapping`: then the \
                 file is not looked at. The stages hold their messages and go on by themselves.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-033",
        title: "the manifest of a folder cannot be used",
        cause: "The `manifest.json` of the source folder is not JSON, is of another kind, names a newer version, or \
                lists what no folder has. Nothing of the folder is used: it may be in the middle of being written.",
        remedy: "Nothing, if its writer finishes: the stages hold their messages and go on by themselves. Otherwise let \
                 the export write it as docs/folders.md says, last and renamed into its place; remove it if another \
                 tool left it there; or bring Sluice up to date for a newer version.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-034",
        title: "a folder is not what its manifest says",
        cause: "A file of the source folder is missing or not listed in its `manifest.json`, or has other documents, \
                bytes or another digest than listed there. The export is still being written, was cut off, or was \
                changed by hand. The copy stays as it is.",
        remedy: "Nothing, if the writer finishes: the stages hold their messages, look again when a file changes, and \
                 go on by themselves. Otherwise export again. Who changed a file on purpose writes the manifest anew \
                 or removes it. A run that shall not wait is ended by `sluice run abort`.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-035",
        title: "a folder has no manifest",
        cause: "`source.require_manifest` is on and the source folder has no `manifest.json`: the export is not \
                complete, or its writer writes none.",
        remedy: "Let the export write one when everything else is there (docs/folders.md; `sluice source export` \
                 does), or turn `source.require_manifest` off. The stages hold their messages and go on by themselves.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-036",
        title: "fewer documents came than there are",
        cause: "Couchbase gave fewer documents of a collection than it counts in it, although every page was called a \
                success: an index lacks documents, or many were deleted and others written meanwhile.",
        remedy: "The stage tries again a few times; then the message is a dead letter, which can be replayed. If it \
                 lasts, compare `SELECT COUNT(*)` of the collection with the items that the cluster shows, and build \
                 its indexes anew.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-037",
        title: "no trust between this program and the Couchbase cluster",
        cause: "The TLS handshake with a node failed, and no password was sent. The message names the reason: the node's \
                certificate is signed by another authority than that of `source.couchbase.ca_file`, is for another name, \
                or has expired; it speaks no TLS at this port; or it does not take the client certificate.",
        remedy: "Correct `source.couchbase.ca_file`, the hosts of `source.url` or \
                 `source.couchbase.client_certificate_file`, or have the node's certificate renewed. Stages wait and go on \
                 by themselves when the node's certificate is right; settings and files of this program are read at its \
                 start.",
    },
];
