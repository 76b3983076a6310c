//! What a client is told about the cluster: one node with all services, 1024 partitions.

use serde_json::{Map, Value, json};

/// Partitions of a bucket, as of every real one.
const PARTITIONS: usize = 1024;

/// Where the one node listens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Topology {
    pub kv: u16,
    pub http: u16,
    pub tls: bool,
}

// === impl Topology ===

impl Topology {
    /// The configuration of the cluster, and of a bucket if one is named.
    pub fn config(self, bucket: Option<&str>) -> String {
        let mut config = json!({
            "rev": 1,
            "revEpoch": 1,
            "nodesExt": [{ "services": self.services(), "thisNode": true }],
            "clusterCapabilitiesVer": [1, 0],
            "clusterCapabilities": {
                "n1ql": ["costBasedOptimizer", "indexAdvisor", "javaScriptFunctions", "inlineFunctions",
                    "enhancedPreparedStatements", "readFromReplica"],
            },
            "clusterName": "double",
            "clusterUUID": "d0b1e000000000000000000000000000",
        });
        if let (Some(bucket), Some(config)) = (bucket, config.as_object_mut()) {
            self.add_bucket(config, bucket);
        }
        config.to_string()
    }

    fn add_bucket(self, config: &mut Map<String, Value>, bucket: &str) {
        let address = format!("$HOST:{}", self.kv);
        let partitions = vec![[0]; PARTITIONS];
        let more = json!({
            "name": bucket,
            "nodeLocator": "vbucket",
            "uuid": "d0b1e0000000000000000000000000b1",
            "bucketCapabilitiesVer": "",
            "bucketCapabilities": ["collections", "durableWrite", "tombstonedUserXAttrs", "couchapi", "dcp",
                "cbhello", "touch", "cccp", "xdcrCheckpointing", "nodesExt", "xattr"],
            "collectionsManifestUid": "1",
            "nodes": [{ "hostname": "$HOST", "ports": { "direct": self.kv } }],
            "vBucketServerMap": {
                "hashAlgorithm": "CRC",
                "numReplicas": 0,
                "serverList": [address],
                "vBucketMap": partitions,
            },
        });
        if let Value::Object(more) = more {
            config.extend(more);
        }
    }

    fn services(self) -> Value {
        let Self { kv, http, tls } = self;
        if tls {
            // The client tells nodes apart by `mgmt`, and cannot do without it even where it uses TLS alone.
            json!({ "mgmt": http, "kvSSL": kv, "mgmtSSL": http, "n1qlSSL": http })
        } else {
            json!({ "kv": kv, "mgmt": http, "n1ql": http })
        }
    }
}

/// Which statuses a key-value client should try again, as the server's own error map says it.
pub(super) fn error_map() -> String {
    let error =
        |name: &str, text: &str, attributes: &[&str]| json!({ "name": name, "desc": text, "attrs": attributes });
    json!({
        "version": 2,
        "revision": 1,
        "errors": {
            "0": error("SUCCESS", "Success", &["success"]),
            "1": error("KEY_ENOENT", "Not Found", &["item-only"]),
            "2": error("KEY_EEXISTS", "key already exists, or CAS mismatch", &["item-only"]),
            "8": error("NO_BUCKET", "Not connected to a bucket", &["conn-state-invalidated"]),
            "20": error("AUTH_ERROR", "Authentication failed", &["conn-state-invalidated", "auth"]),
            "24": error("EACCESS", "Not authorized for command", &["support", "auth"]),
            "81": error("UNKNOWN_COMMAND", "Unknown command", &["support"]),
            "85": error("EBUSY", "Too busy", &["temp", "auto-retry"]),
            "86": error("ETMPFAIL", "Temporary failure", &["temp", "auto-retry"]),
            "88": error("UNKNOWN_COLLECTION", "Unknown Collection", &["item-only"]),
        }
    })
    .to_string()
}
