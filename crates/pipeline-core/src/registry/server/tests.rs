use super::*;

const INT: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;
const INT_SPACED: &str = r#"{ "type": "record", "name": "R", "fields": [ {"name": "a", "type": "int"} ] }"#;
const INT_AND_MORE: &str =
    r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"int","default":0}]}"#;
const TEXT: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}"#;

struct Caller {
    registry: EmbeddedRegistry,
    http: reqwest::Client,
}

impl Caller {
    async fn new() -> Self {
        let registry = EmbeddedRegistry::start("127.0.0.1:0").await.unwrap();
        Self { registry, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.send(self.http.get(self.address(path))).await
    }

    async fn post(&self, path: &str, schema: &str) -> (u16, Value) {
        let body = json!({ "schema": schema }).to_string();
        self.send(self.http.post(self.address(path)).header("content-type", MEDIA_TYPE).body(body)).await
    }

    async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        self.send(self.http.put(self.address(path)).header("content-type", MEDIA_TYPE).body(body.to_string())).await
    }

    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.registry.url())
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], MEDIA_TYPE);
        (answer.status().as_u16(), serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
    }
}

#[tokio::test]
async fn equal_schemas_share_one_id_and_registering_twice_changes_nothing() {
    let caller = Caller::new().await;
    assert_eq!(caller.post("/subjects/x-value/versions", INT).await, (200, json!({ "id": 1 })));
    assert_eq!(caller.post("/subjects/x-value/versions", INT_SPACED).await, (200, json!({ "id": 1 })));
    assert_eq!(caller.post("/subjects/y-value/versions", INT).await, (200, json!({ "id": 1 })));
    assert_eq!(caller.get("/subjects").await, (200, json!(["x-value", "y-value"])));
    assert_eq!(caller.get("/subjects/x-value/versions").await, (200, json!([1])));
    // A default makes another schema, though the parsing canonical form drops it.
    assert_eq!(caller.post("/subjects/x-value/versions", INT_AND_MORE).await, (200, json!({ "id": 2 })));
    let latest = json!({ "subject": "x-value", "version": 2, "id": 2, "schema": INT_AND_MORE });
    assert_eq!(caller.get("/subjects/x-value/versions/latest").await, (200, latest.clone()));
    assert_eq!(caller.get("/subjects/x-value/versions/2").await, (200, latest.clone()));
    assert_eq!(caller.post("/subjects/x-value", INT_AND_MORE).await, (200, latest));
    assert_eq!(caller.get("/subjects/x-value/versions/1/schema").await, (200, serde_json::from_str(INT).unwrap()));
    assert_eq!(caller.get("/schemas/ids/1").await, (200, json!({ "schema": INT })));
    caller.registry.shutdown().await;
}

#[tokio::test]
async fn what_is_absent_or_wrong_has_the_error_codes_of_the_api() {
    let caller = Caller::new().await;
    caller.post("/subjects/x-value/versions", INT).await;
    let code = |(status, body): (u16, Value)| (status, body["error_code"].as_u64().unwrap());
    assert_eq!(code(caller.get("/subjects/none/versions").await), (404, 40401));
    assert_eq!(code(caller.post("/subjects/none", INT).await), (404, 40401));
    assert_eq!(code(caller.get("/subjects/x-value/versions/9").await), (404, 40402));
    assert_eq!(code(caller.get("/subjects/x-value/versions/0").await), (404, 40402));
    assert_eq!(code(caller.get("/subjects/x-value/versions/new").await), (422, 42202));
    assert_eq!(code(caller.post("/subjects/x-value", TEXT).await), (404, 40403));
    assert_eq!(code(caller.get("/schemas/ids/9").await), (404, 40403));
    assert_eq!(code(caller.get("/config/x-value").await), (404, 40408));
    assert_eq!(code(caller.post("/subjects/x-value/versions", r#"{"type":"nope"}"#).await), (422, 42201));
    assert_eq!(code(caller.put("/config", json!({ "compatibility": "SOME" })).await), (422, 42203));
    assert_eq!(code(caller.put("/config", json!([])).await), (400, 400));
    assert_eq!(code(caller.get("/mode").await), (404, 404));
}

#[tokio::test]
async fn a_version_that_breaks_the_subjects_level_is_refused() {
    let caller = Caller::new().await;
    caller.post("/subjects/x-value/versions", INT).await;
    let (status, body) = caller.post("/subjects/x-value/versions", TEXT).await;
    assert_eq!((status, &body["error_code"]), (409, &json!(409)));
    let (_, body) = caller.post("/compatibility/subjects/x-value/versions", TEXT).await;
    assert_eq!(body["is_compatible"], json!(false));
    let (_, body) = caller.post("/compatibility/subjects/x-value/versions/latest", INT_AND_MORE).await;
    assert_eq!(body, json!({ "is_compatible": true, "messages": [] }));

    let none = json!({ "compatibility": "NONE" });
    assert_eq!(caller.put("/config/x-value", none.clone()).await, (200, none));
    assert_eq!(caller.post("/subjects/x-value/versions", TEXT).await, (200, json!({ "id": 2 })));
    assert_eq!(caller.get("/config/x-value").await, (200, json!({ "compatibilityLevel": "NONE" })));
    assert_eq!(caller.get("/config").await, (200, json!({ "compatibilityLevel": "BACKWARD" })));
    let global = caller.get("/config/y-value?defaultToGlobal=true").await;
    assert_eq!(global, (200, json!({ "compatibilityLevel": "BACKWARD" })));
}

#[tokio::test]
async fn a_deleted_version_leaves_its_number_and_its_id() {
    let caller = Caller::new().await;
    caller.post("/subjects/x-value/versions", INT).await;
    caller.post("/subjects/x-value/versions", INT_AND_MORE).await;
    let deleting = caller.http.delete(caller.address("/subjects/x-value/versions/1"));
    assert_eq!(caller.send(deleting).await, (200, json!(1)));
    assert_eq!(caller.get("/subjects/x-value/versions").await, (200, json!([2])));
    assert_eq!(caller.get("/schemas/ids/1").await, (200, json!({ "schema": INT })));
    assert_eq!(caller.get("/subjects/x-value/versions/1").await.0, 404);
}

#[tokio::test]
async fn the_port_is_free_again_after_the_shutdown() {
    let registry = EmbeddedRegistry::start("127.0.0.1:0").await.unwrap();
    let address = registry.url().strip_prefix("http://").unwrap().to_owned();
    let second = EmbeddedRegistry::start(&address).await.unwrap_err();
    assert!(matches!(second, Error::Bind { address: taken, .. } if taken == address));
    registry.shutdown().await;
    EmbeddedRegistry::start(&address).await.unwrap().shutdown().await;
}

#[tokio::test]
async fn a_web_page_cannot_speak_to_the_registry() {
    let caller = Caller::new().await;
    let body = json!({ "schema": INT }).to_string();
    let path = "/subjects/x-value/versions";
    for media_type in ["text/plain", "application/x-www-form-urlencoded", ""] {
        let sent = caller.http.post(caller.address(path)).header("content-type", media_type).body(body.clone());
        assert_eq!(caller.send(sent).await.0, 415, "{media_type}");
    }
    for host in ["evil.example", "evil.example:80", "127.0.0.1.evil.example:80", "localhost.evil.example"] {
        let sent = caller.http.get(caller.address("/subjects")).header("host", host);
        assert_eq!(caller.send(sent).await.0, 403, "{host}");
    }
    for host in ["localhost:8081", "127.0.0.1", "[::1]:8081"] {
        let sent = caller.http.get(caller.address("/subjects")).header("host", host);
        assert_eq!(caller.send(sent).await, (200, json!([])), "{host}");
    }
}

#[tokio::test]
async fn a_registry_with_a_token_answers_nobody_else() {
    let registry = EmbeddedRegistry::start_guarded("127.0.0.1:0").await.unwrap();
    let settings = pipeline_settings::settings::SchemaRegistry { url: registry.url().to_owned(), ..Default::default() };
    let stranger = crate::registry::Registry::new(&settings).unwrap();
    assert!(matches!(stranger.ping().await, Err(Error::Denied { .. })));
    let ours = pipeline_settings::settings::SchemaRegistry { token: registry.token().cloned(), ..settings };
    crate::registry::Registry::new(&ours).unwrap().ping().await.unwrap();
}
