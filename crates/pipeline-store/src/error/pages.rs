//! What people are told about each code; `sluice explain` prints it and `docs/errors/` is made from it.

use pipeline_model::error_pages::ErrorPage;

/// All codes of this crate, in order.
pub const ERRORS: &[ErrorPage] = &[
    ErrorPage {
        code: "SLUICE-STORE-001",
        title: "the database is not available",
        cause: "The target could not be reached, is shutting down, is read-only, has no connection left for this \
                account, has no space left, or does not have the database named in `target.url`; a statement had no \
                answer within `target.statement_timeout_ms`; or somebody holds rows or tables locked for longer than a \
                transaction takes, such as a worker that was frozen, or a backup after `FLUSH TABLES WITH READ LOCK`.",
        remedy: "Nothing is lost: the stage holds its messages and tries again by itself. Check that the server runs \
                 and that `target.url` names it, that the disk is not full, that it may be written to, and that \
                 `max_connections` of the server covers `target.max_connections` of all processes together: with fewer \
                 the stages share what there is and are slower. The locks of a frozen worker end when it goes on, and \
                 after `target.session_timeout_ms` at the latest.",
    },
    ErrorPage {
        code: "SLUICE-STORE-002",
        title: "another transaction was in the way",
        cause: "A deadlock, a lock that was held too long, or a busy SQLite file. Single cases are normal and are \
                tried again. Many of them mean that something else writes to Sluice's tables or holds long \
                transactions open.",
        remedy: "If a message became a dead letter with this code, find the transaction that holds the locks \
                 (`SHOW ENGINE INNODB STATUS`), end it, and replay the dead letter.",
    },
    ErrorPage {
        code: "SLUICE-STORE-003",
        title: "the answer to a commit was lost",
        cause: "The connection broke between the commit and its answer, or the answer did not come within \
                `target.statement_timeout_ms`, so that the transaction may have happened or not.",
        remedy: "Nothing: the message is handled again, uses up no attempt, begins by reading the ledger, and does \
                 only what is missing.",
    },
    ErrorPage {
        code: "SLUICE-STORE-004",
        title: "the database refuses a value",
        cause: "A value is too long or out of range for its column, or a statement is larger than the server's \
                `max_allowed_packet`. Sources check the bounds of columns, and a document whose row is larger than \
                half of such a packet rejects its provider with `SLUICE-DOC-007`, so that this is rare.",
        remedy: "The dead letter names the batch. Raise `max_allowed_packet` if values are meant to be so large, or \
                 repair the document, then replay the dead letter.",
    },
    ErrorPage {
        code: "SLUICE-STORE-005",
        title: "the database account is not allowed to",
        cause: "The account lacks a privilege, or its password was changed while the process was running. A loading \
                account needs SELECT, INSERT, UPDATE and DELETE on the database; only the migration needs CREATE, \
                ALTER, INDEX, DROP and CREATE VIEW.",
        remedy: "Grant the privilege; the stages go on by themselves. After a change of the password start them again \
                 with the new one: they read it once. What they were working on is repeated.",
    },
    ErrorPage {
        code: "SLUICE-STORE-006",
        title: "the database and this program disagree",
        cause: "A table, column or type is not what the program expects, or a key that the ledger guards was there \
                already. Usually the tables were changed by hand, or it is a fault of Sluice. No message could succeed, \
                so that the process stops instead of making dead letters of them.",
        remedy: "The process has stopped and has committed nothing past the failure. Compare the tables with those of \
                 a fresh `sluice migrate`; if they are the same, report the error with its log lines.",
    },
    ErrorPage {
        code: "SLUICE-STORE-007",
        title: "the target's URL cannot be used",
        cause: "`target.url` is empty, has an unknown scheme or parameter, cannot be parsed, or needs TLS in a build \
                without it.",
        remedy: "Write `mysql://user@host:port/database` (for MySQL and MariaDB) or `sqlite:///folder/file.db`. The \
                 parameters of a `mysql` URL are `ssl-mode`, `ssl-ca`, `ssl-cert`, `ssl-key` and `socket`; a host that \
                 is not this machine is reached over verified TLS, or over plain text with `ssl-mode=DISABLED`. Build \
                 with `--features tls` for TLS.",
    },
    ErrorPage {
        code: "SLUICE-STORE-008",
        title: "the password file cannot be read",
        cause: "`target.password_file` names a file that is not there or that this account may not read.",
        remedy: "Correct the path or the file's permissions. The file holds the password and nothing else; a final \
                 line break is ignored.",
    },
    ErrorPage {
        code: "SLUICE-STORE-009",
        title: "the target's tables have another version",
        cause: "The database was never migrated, or was migrated by an older or a newer release.",
        remedy: "Run the migration of this release with an account that may change tables, or use the release that \
                 fits the tables. Stages never change tables themselves.",
    },
    ErrorPage {
        code: "SLUICE-STORE-010",
        title: "the server cannot compare ids byte for byte",
        cause: "Neither `utf8mb4_nopad_bin` (MariaDB 10.2 or later) nor `utf8mb4_0900_bin` (MySQL 8.0.17 or later) \
                exists, so that ids differing only in a trailing space would be one.",
        remedy: "Use MariaDB 10.11 or later, or MySQL 8.4 or later.",
    },
    ErrorPage {
        code: "SLUICE-STORE-011",
        title: "the ledger has no such thing",
        cause: "A message names a service or batch that the target's ledger does not have, although its run is open. \
                Messages are produced from the ledger, so that this one was made elsewhere, or for another target.",
        remedy: "Check that all stages use the same `target.url`. The message is among the dead letters.",
    },
    ErrorPage {
        code: "SLUICE-STORE-012",
        title: "the request for a run cannot be one",
        cause: "Its run id is not a UUID, its batch size is less than 1, or a tolerance is negative or not a number.",
        remedy: "Correct the request and send it again; `sluice run start` makes valid ones.",
    },
    ErrorPage {
        code: "SLUICE-STORE-013",
        title: "a promise of the ledger does not hold",
        cause: "The counts of a service do not add up, or a row is in a state that no transaction of Sluice leaves. \
                Tables were changed by hand, or it is a fault of Sluice.",
        remedy: "The process has stopped and has committed nothing past the failure; readers still see the last \
                 activated generation. Abort the run and start a new one; report the error with its log lines.",
    },
    ErrorPage {
        code: "SLUICE-STORE-014",
        title: "no space for the database file",
        cause: "The disk of the SQLite file, or a quota on it, is full. Nothing was half written: the transaction was \
                rolled back.",
        remedy: "Free some space, or let `target.url` name a file on another disk; then try again. Stages hold their \
                 messages and go on by themselves. `sluice prune` deletes old generations.",
    },
    ErrorPage {
        code: "SLUICE-STORE-015",
        title: "the database file cannot be written to",
        cause: "The SQLite file or the folder that it is in may only be read, the disk is mounted read-only, or \
                `target.url` says `mode=ro`. SQLite writes files beside its own, so the folder counts too.",
        remedy: "Give the user who runs Sluice the right to write to file and folder, or let `target.url` name a file \
                 that may be written to.",
    },
    ErrorPage {
        code: "SLUICE-STORE-016",
        title: "the database file cannot be opened",
        cause: "The folder that the SQLite file should be in does not exist, a directory has its name, or the user who \
                runs Sluice may not open it. The message says which. Sluice makes a file that is not there, and no \
                folder.",
        remedy: "Make the folder, or correct `target.url`; it needs the absolute path of a file: \
                 `sqlite:///var/lib/sluice/copy.db`.",
    },
    ErrorPage {
        code: "SLUICE-STORE-017",
        title: "the file is not a database",
        cause: "`target.url` names a file that is there and holds something else than a SQLite database, or one that \
                is encrypted.",
        remedy: "Let `target.url` name another file; one that does not exist is made. Sluice has not changed this one.",
    },
    ErrorPage {
        code: "SLUICE-STORE-018",
        title: "the database file is damaged",
        cause: "SQLite found pages in its file that contradict each other: something else wrote to it, or it was copied \
                while it was in use, or the disk failed.",
        remedy: "Do not go on with this file. Restore it from a copy, or let `target.url` name a new one and start a \
                 run: everything in it comes from the source. `sqlite3 FILE '.recover'` saves what can be read.",
    },
    ErrorPage {
        code: "SLUICE-STORE-019",
        title: "the database refuses a statement",
        cause: "Something that Sluice did not put there says no to this statement and not to others: a trigger, a \
                foreign key or another constraint on Sluice's tables, a plug-in of the server, or an error that this \
                release does not know. The number and SQLSTATE of the error say which; the server's own text stays \
                out of logs and headers, because it may quote documents.",
        remedy: "Run `SHOW TRIGGERS` and `SHOW CREATE TABLE` on Sluice's tables and look the number up; the server's \
                 log, and the same row inserted by hand, show its text. Remove what refuses, then replay the dead \
                 letter (`sluice dlq replay`) or retry the run (`sluice run retry`).",
    },
    ErrorPage {
        code: "SLUICE-STORE-020",
        title: "the database ended a statement",
        cause: "A time limit that the account, the server or a proxy before it has for statements was over, or somebody \
                ended the statement (`KILL QUERY`). Sluice's sessions set `max_statement_time` and \
                `max_execution_time` to none; its own limit is `target.statement_timeout_ms`.",
        remedy: "Nothing is lost: the transaction was rolled back, and the message waits for another try. If it happens \
                 again and again, find who ends statements (`SHOW VARIABLES LIKE 'max_%_time'`, rules of a proxy), or \
                 why the server is slow, and replay what became a dead letter.",
    },
    ErrorPage {
        code: "SLUICE-STORE-021",
        title: "the database does not let the account in",
        cause: "User or password are wrong, the account may not log in from this host or without TLS, is locked, its \
                password has expired, or it has no right to the database named in `target.url`. The server is there \
                and has answered.",
        remedy: "Correct the user in `target.url` and the password in `target.password_file` or \
                 `SLUICE__TARGET__PASSWORD`, or the account on the server; then start again. Waiting does not help, so \
                 that commands and stages end with exit code 78.",
    },
    ErrorPage {
        code: "SLUICE-STORE-022",
        title: "the database server is not trusted",
        cause: "The link to the server must be encrypted, and the server offers no TLS, or its certificate is of an \
                authority that is not known here, for another host, or out of date. The message says which.",
        remedy: "Let `ssl-ca` in `target.url` name the authority, and the URL the host that the certificate is for; or \
                 give the server a certificate. Nothing was sent to it: neither password nor rows.",
    },
    ErrorPage {
        code: "SLUICE-STORE-023",
        title: "a name in the database is taken",
        cause: "`sluice migrate` would make or replace a table or a view of a name that something else in the database has \
                already: another program's view `bundles`, say. Or the tables are those of an installation of Sluice whose \
                views have another prefix. The message lists all that was found. Nothing was changed.",
        remedy: "Give Sluice a database of its own. To publish the views beside those of others, set `target.view_prefix` \
                 before the first migration: it stands before the names of the views. Tables have no prefix: two \
                 installations need two databases. What is not needed any more, rename or drop by hand.",
    },
    ErrorPage {
        code: "SLUICE-STORE-024",
        title: "the views cannot be read",
        cause: "A view is missing, or the account that the views belong to was dropped or lost its right to read the tables: \
                readers then get an error, while runs go on. When views are missing, `target.view_prefix` may be another \
                one than at the migration.",
        remedy: "Run `sluice migrate` as an account that stays: it makes what is missing and gives the views to that account. \
                 What readers were granted stays. Do not drop that account; lock it. docs/security.md has the grants.",
    },
    ErrorPage {
        code: "SLUICE-STORE-025",
        title: "the target belongs to another installation",
        cause: "A root stage of another installation, whose topics begin with another word, worked on this target first. Two                 installations on one target would replace each other's copy.",
        remedy: "Give this installation a database of its own. When the word was changed on purpose and the old                  installation is gone: `UPDATE sluice_target SET installation = NULL`, and the next root stage takes it.",
    },
];
