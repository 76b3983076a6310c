use clap::CommandFactory;

use super::*;

#[test]
fn the_tree_of_verbs_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn global_flags_stand_before_or_behind_the_verb() {
    let before = Cli::try_parse_from(["sluice", "-X", "target.url=a=b", "doctor"]).unwrap();
    let behind = Cli::try_parse_from(["sluice", "doctor", "-X", "target.url=a=b"]).unwrap();
    assert_eq!(before.global.set, [("target.url".to_owned(), "a=b".to_owned())]);
    assert_eq!(behind.global.set, before.global.set);
}

#[test]
fn every_verb_shows_an_example() {
    fn check(command: &clap::Command, path: &str) {
        let verbs: Vec<_> = command.get_subcommands().filter(|verb| verb.get_name() != "help").collect();
        if verbs.is_empty() {
            let help = command.clone().render_long_help().to_string();
            assert!(help.contains("Example"), "`{path}` has no example in its help");
        }
        for verb in verbs {
            check(verb, &format!("{path} {}", verb.get_name()));
        }
    }
    check(&Cli::command(), "sluice");
}

#[test]
fn a_former_name_means_the_same_and_is_shown_nowhere() {
    let named = [
        ("run start --scope s", "run start --service s"),
        ("run start --mode whole-run", "run start --activation whole-run"),
        ("demo --mode whole-run", "demo --activation whole-run"),
        ("topics create", "topic create"),
        ("dlq waive 1 --reason r", "dlq discard 1 --reason r"),
        ("dlq ls --state waived", "dlq ls --state discarded"),
        ("run list", "run ls"),
        ("run view", "run show"),
        ("dlq list", "dlq ls"),
        ("dlq view 1", "dlq show 1"),
        ("audit list", "audit ls"),
        ("schema list", "schema ls"),
        ("generation list", "generation ls"),
        ("config show", "config view"),
    ];
    let read = |line: &str| Cli::try_parse_from(format!("sluice {line}").split(' ')).unwrap();
    for (former, name) in named {
        assert_eq!(format!("{:?}", read(former).verb), format!("{:?}", read(name).verb), "{former}");
    }
    // These have moved, with the same flags.
    for (former, name) in [
        ("run rollback --yes --service s", "generation rollback --yes --service s"),
        ("prune --keep 2", "generation prune --keep 2"),
        ("plan capacity --services 2", "capacity --services 2"),
    ] {
        let flags = |line: &str| {
            format!("{:?}", read(line).verb).split_once("Args").unwrap().1.trim_end_matches(')').to_owned()
        };
        assert_eq!(flags(former), flags(name), "{former}");
    }
    let shown = |path: &[&str]| {
        let command = path.iter().fold(Cli::command(), |command, verb| command.find_subcommand(verb).unwrap().clone());
        command.clone().render_long_help().to_string()
    };
    for (path, former) in [
        (&[][..], "  topics"),
        (&[], "  prune"),
        (&[], "  plan"),
        (&["run"], "rollback"),
        (&["run"], "  list"),
        (&["run", "start"], "--scope"),
        (&["run", "start"], "--mode"),
        (&["dlq"], "waive"),
        (&["dlq", "ls"], "waived"),
    ] {
        assert!(!shown(path).contains(former), "{path:?} shows {former}");
    }
}

#[test]
fn a_wrong_command_line_is_refused_with_the_usage_code() {
    for wrong in [
        &["sluice", "run", "stat"][..],
        &["sluice", "run", "wait", "not-a-run"],
        &["sluice", "run", "start", "--timeout", "5m"],
        &["sluice", "run", "start", "--tolerate", "101%"],
        &["sluice", "-X", "no-value", "doctor"],
    ] {
        let error = Cli::try_parse_from(wrong).unwrap_err();
        assert_eq!(error.exit_code(), i32::from(crate::exit::Exit::Usage.code()), "{wrong:?}");
    }
}
