//! The pages of the registry's and the wire format's error codes.

use pipeline_model::error_pages::ErrorPage;

/// What to say about each code of [`Error`](super::Error), [`DecodeError`](super::DecodeError) and
/// [`EncodeError`](super::EncodeError).
pub const ERRORS: &[ErrorPage] = &[
    ErrorPage {
        code: "SLUICE-REGISTRY-001",
        title: "the schema registry is not reachable",
        cause: "No answer came from `schema_registry.url`: the name does not resolve, nothing listens there, the \
                connection was cut, or the answer took longer than `schema_registry.timeout_ms`.",
        remedy: "Check the address and that the registry runs. Stages wait and go on by themselves when it is back; \
                 no message is lost.",
    },
    ErrorPage {
        code: "SLUICE-REGISTRY-002",
        title: "the schema registry has a fault of its own",
        cause: "It answered with a server error, or that it is overloaded. A registry whose Kafka cluster is away \
                does so.",
        remedy: "Look at the registry's log. Stages wait and go on by themselves when it has recovered.",
    },
    ErrorPage {
        code: "SLUICE-REGISTRY-003",
        title: "what answers is not a schema registry",
        cause: "The answer is not in the Confluent API: a proxy's page, another program on the port, or a path that is \
                missing in `schema_registry.url`.",
        remedy: "Open the address with `/subjects` behind it: a registry answers with a JSON list. Apicurio needs the \
                 path `/apis/ccompat/v7`.",
    },
    ErrorPage {
        code: "SLUICE-REGISTRY-004",
        title: "the schema registry denies access",
        cause: "User name or password are missing or wrong, or the user may not do this.",
        remedy: "Set `schema_registry.username` and `schema_registry.password_file`; stages only need to read, \
                 `sluice schema register` also writes.",
    },
    ErrorPage {
        code: "SLUICE-REGISTRY-005",
        title: "the schema registry refused the request",
        cause: "It understood the request and said no, for example because it is in read-only mode. The message holds \
                its words.",
        remedy: "Do what the message says; the registry's documentation lists its error codes.",
    },
    ErrorPage {
        code: "SLUICE-REGISTRY-006",
        title: "a schema that this program needs is not registered",
        cause: "The schemas of this version have not been registered, or those of another version have.",
        remedy: "Run `sluice schema register` of the same version before the stages start; it is a step of deployment.",
    },
    ErrorPage {
        code: "SLUICE-REGISTRY-007",
        title: "a schema is incompatible with those registered",
        cause: "The schema breaks the compatibility level of its subject, or this program cannot read what the newest \
                registered version writes.",
        remedy: "Run `sluice schema check` to see what differs, and change the schema in a compatible way, such as a \
                 new field with a default. An old program meeting a newer schema has to be upgraded.",
    },
    ErrorPage {
        code: "SLUICE-REGISTRY-008",
        title: "a schema id is not registered",
        cause: "Nothing is registered under the id that was asked for; it may come from another registry.",
        remedy: "Check that everybody who produces to the topic uses the registry of `schema_registry.url`.",
    },
    ErrorPage {
        code: "SLUICE-REGISTRY-009",
        title: "a registered schema cannot be used",
        cause: "The schema is not Avro, is not valid, or refers to another schema that is not registered any more.",
        remedy: "Find out who registered it, and under which subject; the records of Sluice are plain Avro.",
    },
    ErrorPage {
        code: "SLUICE-REGISTRY-010",
        title: "a schema of this program is not valid Avro",
        cause: "A file in `schemas/` has a mistake.",
        remedy: "The message names the subject; `sluice schema check` gives file, line and column.",
    },
    ErrorPage {
        code: "SLUICE-REGISTRY-011",
        title: "a setting of the schema registry cannot be used",
        cause: "The address is neither an `http` nor an `https` URL, this program was built without TLS, or a file with a \
                secret, an authority or a certificate cannot be read.",
        remedy: "Correct the setting that the message names; `sluice config lint` checks them all.",
    },
    ErrorPage {
        code: "SLUICE-REGISTRY-012",
        title: "the embedded registry could not open its port",
        cause: "Local mode starts a registry in the process, and the system did not give it a port.",
        remedy: "Another program may hold the port; end it, or let the system choose with port 0.",
    },
    ErrorPage {
        code: "SLUICE-REGISTRY-013",
        title: "no trust between this program and the schema registry",
        cause: "The TLS handshake failed, and nothing was sent. The message names the reason: the registry's certificate is \
                signed by another authority than that of `schema_registry.ca_file`, is for another name, or has expired; \
                it speaks no TLS at this port; or it wants a client certificate that is not set, or does not take the one \
                that is.",
        remedy: "Look at the certificate: `openssl s_client -connect HOST:PORT -CAfile CA_FILE -verify_hostname HOST`. \
                 Correct `schema_registry.ca_file`, `schema_registry.url` or `schema_registry.client_certificate_file`, or \
                 have the registry's certificate renewed. Commands end with 78. A stage waits, and `/readyz` says why; it \
                 reads renewed files by itself.",
    },
    ErrorPage {
        code: "SLUICE-WIRE-001",
        title: "the message is empty",
        cause: "A message without a value, called a tombstone, came where a record was expected.",
        remedy: "Find out who produced it; it is kept among the dead letters with its key and headers.",
    },
    ErrorPage {
        code: "SLUICE-WIRE-002",
        title: "the message is not in the registry's wire format",
        cause: "It does not begin with a zero byte and a schema id: somebody produced plain text, JSON or bare Avro.",
        remedy: "Produce with a serialiser that uses the schema registry. The message is kept among the dead letters.",
    },
    ErrorPage {
        code: "SLUICE-WIRE-003",
        title: "the message is damaged",
        cause: "It is cut off, has bytes to spare, or holds lengths that its schema does not allow.",
        remedy: "Compare the bytes among the dead letters with the schema that they name; the producer is at fault.",
    },
    ErrorPage {
        code: "SLUICE-WIRE-004",
        title: "the message names a schema that is not registered",
        cause: "The producer used another registry, the registry came back from an older copy, or the schema has been \
                deleted for good. The message is tried `stage.max_attempts` times, with pauses of 10 seconds unless \
                `stage.max_backoff_ms` is less, and then is a dead letter.",
        remedy: "Point both to one registry, or register the schema there, and replay the dead letters.",
    },
    ErrorPage {
        code: "SLUICE-WIRE-005",
        title: "the message was written with a schema that this program cannot read",
        cause: "The writer's schema and ours do not resolve: another record came to the topic, or somebody registered \
                an incompatible change.",
        remedy: "Set the subject's level to FULL_TRANSITIVE and run `sluice schema check --against registry`; replay \
                 the dead letters with a program that can read them.",
    },
    ErrorPage {
        code: "SLUICE-WIRE-006",
        title: "the message's values do not fit the record",
        cause: "The schemas resolve, but a value in this message does not: text that is not UTF-8, or a choice that the \
                record does not have.",
        remedy: "Look at the message among the dead letters; the producer is at fault.",
    },
    ErrorPage {
        code: "SLUICE-WIRE-007",
        title: "a stage wrote to a topic that it did not announce",
        cause: "A fault in the stage: its output type does not name the topic.",
        remedy: "Report it with the log of the stage.",
    },
    ErrorPage {
        code: "SLUICE-WIRE-008",
        title: "a record does not fit its own schema",
        cause: "A fault in this program: a record type and its file in `schemas/` are out of step.",
        remedy: "Report it with the log of the stage.",
    },
    ErrorPage {
        code: "SLUICE-WIRE-009",
        title: "the message asks for more than a record may have",
        cause: "Its schema makes a few bytes into more values, deeper nesting or more memory than any record of Sluice \
                has: types that hold each other several times over, or very long names. Nothing of it was decoded.",
        remedy: "Find out who registered the schema that the message names, and who produced it; it is kept among the \
                 dead letters. Records that are meant belong on a topic of their own.",
    },
];
