//! Prometheus, which asks processes for their metrics and answers queries.

use std::{fmt::Write as _, fs, process::Command, time::Duration};

use serde_json::Value;

use crate::{
    http, janitor, ports,
    server::{Running, START_DEADLINE, start_with_retry},
    wait::{self, PATIENCE},
};

/// A running Prometheus.
pub struct Prometheus {
    port: u16,
    _running: Running,
}

// === impl Prometheus ===

#[expect(clippy::indexing_slicing, reason = "what is not in a JSON value is null")]
impl Prometheus {
    /// Starts one that asks these addresses every second, and judges by these rules.
    pub fn start(targets: &[String], rules: &str) -> Self {
        start_with_retry(|| Self::try_start(targets, rules))
    }

    /// The values of a query now, one for each series.
    pub fn values(&self, query: &str) -> Vec<f64> {
        let answer = self.ask(&format!("/api/v1/query?query={}", encoded(query)));
        assert!(answer["status"] == "success", "{query}: {answer}");
        let series = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        series.iter().filter_map(|it| it["value"][1].as_str()?.parse().ok()).collect()
    }

    /// Waits until a query has a value.
    pub fn wait_for(&self, query: &str) -> Vec<f64> {
        wait::until_blocking(&format!("`{query}` has a value"), PATIENCE, || {
            Some(self.values(query)).filter(|it| !it.is_empty())
        })
    }

    /// Names of the alerts that fire now.
    pub fn firing(&self) -> Vec<String> {
        let answer = self.ask("/api/v1/alerts");
        let alerts = answer["data"]["alerts"].as_array().cloned().unwrap_or_default();
        let firing = alerts.iter().filter(|alert| alert["state"] == "firing");
        firing.filter_map(|alert| Some(alert["labels"]["alertname"].as_str()?.to_owned())).collect()
    }

    fn ask(&self, path: &str) -> Value {
        let answer = http::get(&format!("127.0.0.1:{}", self.port), path).expect("prometheus answers");
        serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{path}: {error}: {}", answer.body))
    }

    fn try_start(targets: &[String], rules: &str) -> Result<Self, String> {
        let folder = janitor::new_folder("prometheus");
        let written = |file: &str, text: String| fs::write(folder.join(file), text).map_err(|error| error.to_string());
        written("rules.yml", rules.to_owned())?;
        let settings = serde_json::json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [folder.join("rules.yml")],
            "scrape_configs": [{"job_name": "sluice", "static_configs": [{"targets": targets}]}],
        });
        written("prometheus.yml", settings.to_string())?;
        let port = ports::free();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let mut running = Running::start("prometheus", &folder, &mut command);
        let address = format!("127.0.0.1:{port}");
        running.wait_ready(Duration::max(START_DEADLINE, PATIENCE), || {
            http::get(&address, "/-/ready").is_ok_and(|it| it.status == 200)
        })?;
        Ok(Self { port, _running: running })
    }
}

/// As a query parameter.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() {
            encoded.push(byte.into());
        } else {
            // Writing to a text cannot fail.
            write!(encoded, "%{byte:02X}").unwrap_or_default();
        }
        encoded
    })
}
