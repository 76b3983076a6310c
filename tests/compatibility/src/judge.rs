//! What a real registry says, over its Confluent API.

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

/// A registry whose level is NONE unless a subject has one of its own, so that any history can be registered. That is
/// Apicurio's default.
pub struct Judge {
    url: String,
    http: Client,
}

/// The registry's verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It would take the schema.
    Compatible,
    /// It would not.
    Incompatible,
    /// It could not tell, and answered with an error.
    Failed,
}

impl Judge {
    /// The registry at this address.
    pub fn new(url: String) -> Self {
        let http = Client::builder().no_proxy().build().expect("a client");
        Self { url, http }
    }

    /// Registers a version. Without a level of the subject's own, whatever came before it.
    pub async fn register(&self, subject: &str, schema: &Value) -> Verdict {
        let (status, _) = self.post(&format!("/subjects/{subject}/versions"), schema).await;
        match status {
            StatusCode::CONFLICT => Verdict::Incompatible,
            status if status.is_success() => Verdict::Compatible,
            _ => Verdict::Failed,
        }
    }

    /// As [`Judge::register`], for a schema that takes a type from version 1 of another subject.
    pub async fn register_referring(&self, subject: &str, schema: &Value, name: &str, to: &str) -> Verdict {
        let references = json!([{ "name": name, "subject": to, "version": 1 }]);
        let body = json!({ "schema": schema.to_string(), "schemaType": "AVRO", "references": references });
        match self.send(&format!("/subjects/{subject}/versions"), &body).await.0 {
            StatusCode::CONFLICT => Verdict::Incompatible,
            status if status.is_success() => Verdict::Compatible,
            _ => Verdict::Failed,
        }
    }

    /// Sets the subject's own level.
    pub async fn hold_to(&self, subject: &str, level: &str) {
        self.put(&format!("/config/{subject}"), level).await;
    }

    /// Whether the schema may follow the subject's only version. Where there are several, this question is answered
    /// for all of them whatever the level; what registering does is right.
    pub async fn ask(&self, subject: &str, schema: &Value) -> Verdict {
        let (status, body) = self.post(&format!("/compatibility/subjects/{subject}/versions"), schema).await;
        match (status.is_success(), &body["is_compatible"]) {
            (true, Value::Bool(true)) => Verdict::Compatible,
            (true, Value::Bool(false)) => Verdict::Incompatible,
            _ if status == StatusCode::NOT_FOUND => panic!("{subject} is not registered: {body}"),
            _ => Verdict::Failed,
        }
    }

    async fn put(&self, path: &str, level: &str) {
        let body = json!({ "compatibility": level }).to_string();
        let sent = self.http.put(format!("{}{path}", self.url)).header("content-type", "application/json").body(body);
        let answer = sent.send().await.expect("the registry answers");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }

    async fn post(&self, path: &str, schema: &Value) -> (StatusCode, Value) {
        self.send(path, &json!({ "schema": schema.to_string(), "schemaType": "AVRO" })).await
    }

    async fn send(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let url = format!("{}{path}", self.url);
        let sent = self.http.post(url).header("content-type", "application/json").body(body.to_string());
        let answer = sent.send().await.expect("the registry answers");
        let status = answer.status();
        let bytes = answer.bytes().await.expect("the registry answers in full");
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }
}
