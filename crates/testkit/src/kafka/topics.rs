//! What operators do to topics by mistake, with Kafka's own tools.

use std::process::Command;

use super::Kafka;
use crate::{janitor, stack};

impl Kafka {
    /// Deletes a topic with all that is in it.
    pub fn delete_topic(&self, topic: &str) {
        self.tool("org.apache.kafka.tools.TopicCommand", &["--delete", "--topic", topic]);
    }

    /// Sets something of a topic, such as `retention.ms=1000`.
    pub fn set_topic(&self, topic: &str, setting: &str) {
        let class = "kafka.admin.ConfigCommand";
        self.tool(class, &["--alter", "--entity-type", "topics", "--entity-name", topic, "--add-config", setting]);
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
