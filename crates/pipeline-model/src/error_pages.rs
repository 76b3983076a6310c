//! What `sluice explain CODE` says, and the pages in `docs/errors/`: one for each code that can reach a person.

/// What there is to say about an error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorPage {
    /// The stable code, such as `SLUICE-REGISTRY-001`.
    pub code: &'static str,
    /// What happened, in a few words.
    pub title: &'static str,
    /// Why it happens.
    pub cause: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

/// The codes of this crate beside those of the registry: documents, Kafka, runtime, stages.
pub const ERRORS: &[ErrorPage] = &[
    ErrorPage {
        code: "SLUICE-DOC-001",
        title: "a document is not JSON",
        cause: "The line or value is not valid UTF-8, or not valid JSON; often it was cut off while being exported.",
        remedy: "Look at the place that the message names and export the document again.",
    },
    ErrorPage {
        code: "SLUICE-DOC-002",
        title: "a document is not an object with distinct keys",
        cause: "The JSON is a list or a plain value, or the object repeats a key, so that its meaning is open.",
        remedy: "Mend the document at the place that the message names.",
    },
    ErrorPage {
        code: "SLUICE-DOC-003",
        title: "a document has no id, or no parent's id",
        cause: "The field is missing or empty, or has another name than the mapping says.",
        remedy: "Mend the document, or set the field's name under `source.mapping`.",
    },
    ErrorPage {
        code: "SLUICE-DOC-004",
        title: "a field has the wrong type",
        cause: "A mapped field holds another JSON type than its column takes, such as a number as an id.",
        remedy: "Mend the document, or map the field elsewhere, so that it is kept in `attributes`.",
    },
    ErrorPage {
        code: "SLUICE-DOC-005",
        title: "two documents of one parent have the same id",
        cause: "The export holds a document twice, or the id is not the field that tells siblings apart.",
        remedy: "Remove one of them, or map `id` to the field that is unique.",
    },
    ErrorPage {
        code: "SLUICE-DOC-006",
        title: "a document has a parent that is not there",
        cause: "The parent was deleted without its children, or the export was taken while data changed.",
        remedy: "Export again, or delete the orphan. It is not copied, and holds no activation.",
    },
    ErrorPage {
        code: "SLUICE-DOC-007",
        title: "a document or a text of it is too large",
        cause: "An id is longer than 255 characters, a name longer than 1,024, or a document larger than the bound.",
        remedy: "Shorten it at the source; ids are never cut.",
    },
    ErrorPage {
        code: "SLUICE-DOC-008",
        title: "a document nests too deep",
        cause: "It nests deeper than 30 levels, which databases cannot read back as JSON.",
        remedy: "Flatten the document at the source.",
    },
    ErrorPage {
        code: "SLUICE-DOC-009",
        title: "a document lists a child that is not there",
        cause: "With `source.couchbase.children: keys`, a provider or bundle lists a key that no document has: the child \
                was deleted before its parent stopped listing it, or the list is wrong.",
        remedy: "Correct the list, or store the child. The provider keeps its last good content until then: with a part of \
                 its children it would not be complete.",
    },
    ErrorPage {
        code: "SLUICE-DOC-010",
        title: "a provider keeps its content because a document cannot be told",
        cause: "The provider would lose bundles or subscription fields in this run, and the source has a document whose \
                owner cannot be told: an unreadable line, one that was cut off, or one whose parent is missing. It could \
                be what the provider would lose, so the provider keeps its last good content.",
        remedy: "Mend the document that the reason names, and start a new run. When it belongs to nobody and may be \
                 left out, remove it from the source: as long as it is there, it protects what it could belong to.",
    },
    ErrorPage {
        code: "SLUICE-KAFKA-001",
        title: "a Kafka client cannot be made",
        cause: "librdkafka refuses the configuration: a certificate or key that it cannot read, a wrong password of the key, \
                or TLS in a build without it.",
        remedy: "Compare the section `kafka` with the reference; the message names the property.",
    },
    ErrorPage {
        code: "SLUICE-KAFKA-002",
        title: "a message could not be produced",
        cause: "The brokers are away, the topic is missing or may not be written to, or has too few in-sync replicas.",
        remedy: "Look at the brokers and at the topic. The stage holds what it has in hand and goes on by itself. While the \
                 cluster answers and only some messages cannot be produced, those become dead letters after \
                 `stage.patience_ms`.",
    },
    ErrorPage {
        code: "SLUICE-KAFKA-003",
        title: "offsets could not be committed",
        cause: "The group's coordinator is away, or the group has been rebalanced meanwhile.",
        remedy: "Nothing: it is sent again until the brokers have it, and what is repeated changes nothing. If it does not \
                 end, look at the group's rights and at its coordinator.",
    },
    ErrorPage {
        code: "SLUICE-KAFKA-004",
        title: "messages could not be fetched",
        cause: "The brokers or the topic are away, or the user may not read it.",
        remedy: "Run `sluice doctor`; create missing topics with `sluice topics create`.",
    },
    ErrorPage {
        code: "SLUICE-KAFKA-005",
        title: "the cluster does not answer",
        cause: "No broker listens at `kafka.bootstrap_servers`, or it hangs up: a broker that speaks TLS or SASL at this port \
                hangs up on a client that does not.",
        remedy: "Check address and network, and whether `kafka.security_protocol` is what the broker's listener speaks. \
                 Stages wait for it; commands end with 75.",
    },
    ErrorPage {
        code: "SLUICE-KAFKA-006",
        title: "a topic could not be created",
        cause: "The user may not create topics, or the replication asked for is more than there are brokers.",
        remedy: "Use `--replication`, or have the topics created by whoever may.",
    },
    ErrorPage {
        code: "SLUICE-KAFKA-007",
        title: "a partition of the local broker is full",
        cause: "Local mode keeps messages in memory, 5 MiB per partition, and would drop the oldest silently.",
        remedy: "Take a larger `--batch-size`, or a real cluster for data of this size.",
    },
    ErrorPage {
        code: "SLUICE-KAFKA-008",
        title: "the local broker cannot start",
        cause: "The process may not listen on a loopback port.",
        remedy: "Allow it, or use a real cluster.",
    },
    ErrorPage {
        code: "SLUICE-KAFKA-009",
        title: "a message is larger than its topic takes",
        cause: "Key, value and headers together are more than the topic's `max.message.bytes` (the broker's \
                `message.max.bytes`, about 1 MiB, unless it is set). For a message of a stage: its batches are too large, or \
                the topic's limit was lowered.",
        remedy: "Raise `max.message.bytes` of the topic that the reason names, or start runs with a smaller batch size; then \
                 replay the dead letter. A dead letter that is too large itself goes without its value: \
                 `sluice dlq show` says where that still is.",
    },
    ErrorPage {
        code: "SLUICE-KAFKA-010",
        title: "a message arrived outside its queue",
        cause: "A fault in Sluice or in its Kafka client: a message was fetched before its partition was taken over. Handling \
                it would break the order of the partition, passing it over would lose it, so the stage stops.",
        remedy: "Restart the stage, which reads it again. Report it with the log.",
    },
    ErrorPage {
        code: "SLUICE-KAFKA-011",
        title: "no trust between this program and a broker",
        cause: "The TLS handshake failed. The message names the broker and the reason: its certificate is signed by another \
                authority than that of `kafka.ca_file`, is for another name, or has expired; it speaks no TLS at this port; \
                or it wants a client certificate that is not set, or does not take the one that is.",
        remedy: "Look at the certificate: `openssl s_client -connect BROKER -CAfile CA_FILE -verify_hostname NAME`. Correct \
                 `kafka.ca_file`, `kafka.bootstrap_servers` or `kafka.client_certificate_file`, or have the broker's \
                 certificate renewed. Commands, and stages at their start, end with 78; a stage at work waits.",
    },
    ErrorPage {
        code: "SLUICE-KAFKA-012",
        title: "the brokers refuse the login",
        cause: "User, password or token is wrong, or the broker's listener does not know the mechanism; the message ends with \
                what the broker said. A broker tells a wrong user from a wrong password to nobody.",
        remedy: "Correct `kafka.sasl_mechanism`, `kafka.username` and `kafka.password_file`, or the section `kafka.oauth`. \
                 Commands, and stages at their start, end with 78; a stage at work waits.",
    },
    ErrorPage {
        code: "SLUICE-KAFKA-013",
        title: "the brokers do not authorise this program",
        cause: "The login is right, and its principal lacks a right; the message names the topic or the group.",
        remedy: "Give the principal what docs/security.md lists for it (`kafka-acls.sh --add`). A stage waits, says so in \
                 `/readyz`, and goes on by itself; commands end with 78.",
    },
    ErrorPage {
        code: "SLUICE-KAFKA-014",
        title: "there is no token to log in with",
        cause: "The token file cannot be read, or the token endpoint does not answer.",
        remedy: "Look at `kafka.oauth.token_file` or `kafka.oauth.token_endpoint`; the message says what failed. Stages wait \
                 for it; commands end with 75.",
    },
    ErrorPage {
        code: "SLUICE-RUNTIME-001",
        title: "a part of a stage panicked",
        cause: "A fault in Sluice: in the handling of the message that the log names, in the stage's timer, or in another \
                task of the runtime. Without that part the stage would look well and do half of its work, so it stops.",
        remedy: "Report it with the message and the log. What was in hand is repeated after a restart.",
    },
    ErrorPage {
        code: "SLUICE-RUNTIME-002",
        title: "a part of a stage ended that must not",
        cause: "A fault in Sluice: a task of the runtime returned while the stage was at work.",
        remedy: "Report it with the log. The stage stops, and what was in hand is repeated after a restart.",
    },
    ErrorPage {
        code: "SLUICE-RUNTIME-003",
        title: "a dependency does not answer",
        cause: "The target, the source, the registry or the cluster was asked whether it is there, and said nothing for 10 \
                seconds.",
        remedy: "Look at the machine and the network of what `/readyz` and the log name. The stage waits, and goes on by \
                 itself.",
    },
    ErrorPage {
        code: "SLUICE-STAGE-001",
        title: "a message names no run",
        cause: "Its run id is not a UUID: somebody else writes to Sluice's topics.",
        remedy: "Look at the dead letter's key and headers for where it comes from.",
    },
    ErrorPage {
        code: "SLUICE-STAGE-002",
        title: "a dead letter was waived",
        cause: "Somebody gave up a message that could not be processed, so that its run could end without it.",
        remedy: "The providers keep what they had before. Mend the cause that the dead letter names (`sluice dlq show`), \
                 then refresh the service: `sluice run start --scope SERVICE`.",
    },
];
