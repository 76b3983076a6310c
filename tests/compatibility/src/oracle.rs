//! Apache Avro's Java library, asked over the standard streams of one process.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/java/Oracle.java");

/// A running judge.
pub struct Oracle {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What the library makes of one datum.
#[derive(Clone, Debug)]
pub struct Datum {
    /// The value as the writer's schema has it.
    pub written: Value,
    /// The bytes as the library writes the value.
    pub again: String,
    /// The value as the reader's schema has it, or why there is none.
    pub read: Result<Value, String>,
}

// === impl Oracle ===

impl Oracle {
    /// Starts the program from its source.
    pub fn start() -> Self {
        assert!(Path::new(PROGRAM).exists());
        let mut java = Command::new("java");
        java.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xss4m", "-cp"]).arg(testkit::avro::class_path());
        java.arg(PROGRAM).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = java.spawn().expect("java runs: `cargo xtask setup` installs it");
        let questions = process.stdin.take().expect("it was asked for");
        let answers = BufReader::new(process.stdout.take().expect("it was asked for"));
        Self { process, questions, answers }
    }

    /// Asks for data of one schema, each in hex, read with another.
    ///
    /// # Errors
    /// Why the library refuses one of the schemas.
    pub fn ask(&mut self, writer: &str, reader: &str, data: &[String]) -> Result<Vec<Datum>, String> {
        let question = json!({ "writer": writer, "reader": reader, "data": data });
        writeln!(self.questions, "{question}").expect("the judge listens");
        self.questions.flush().expect("the judge listens");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the judge answers");
        let answer: Value = serde_json::from_str(&line).expect("the judge answers in JSON");
        if let Some(error) = answer["schemas"].as_str() {
            return Err(error.to_owned());
        }
        let datum = |told: &Value| {
            assert_eq!(told.get("broken"), None, "{question}: the data is not what its schema says");
            let text = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
            let read = told.get("read").cloned().ok_or_else(|| text("error"));
            Datum { written: told["written"].clone(), again: text("again"), read }
        };
        Ok(answer["data"].as_array().expect("a list").iter().map(datum).collect())
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // A judge that has ended already is as well.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
