//! What operators do to topics by mistake, with Kafka's own tools.

use std::process::Command;

use super::Kafka;
use crate::{janitor, stack};

impl Kafka {
    /// Deletes a topic with all that is in it.
    pub fn delete_topic(&self, topic: &str) {
        self.tool("org.apache.kafka.tools.TopicCommand", &["--delete", "--topic", topic]);
    }

    /// Deletes every message of a topic, as retention does after a while.
    pub fn empty_topic(&self, topic: &str, partitions: i32) {
        let file = janitor::new_folder("emptied").join("offsets.json");
        let partition = |number: i32| format!(r#"{{"topic":"{topic}","partition":{number},"offset":-1}}"#);
        let partitions: Vec<String> = (0..partitions).map(partition).collect();
        let text = format!(r#"{{"version":1,"partitions":[{}]}}"#, partitions.join(","));
        std::fs::write(&file, text).unwrap_or_else(|error| panic!("could not write `{}`: {error}", file.display()));
        let file = file.display().to_string();
        self.tool("org.apache.kafka.tools.DeleteRecordsCommand", &["--offset-json-file", &file]);
    }

    fn tool(&self, class: &str, arguments: &[&str]) {
        let mut command: Command = stack::java(&janitor::new_folder("tool"));
        command.args(["-Xmx64m", "-Dlog.level=WARN", "-cp"]).arg(stack::class_path()).arg(class);
        command.args(["--bootstrap-server", &self.bootstrap()]).args(arguments);
        let output =
            command.output().unwrap_or_else(|error| panic!("could not start `java`: {error}; run `cargo xtask setup`"));
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{class} failed\n{out}\n{err}");
    }
}
