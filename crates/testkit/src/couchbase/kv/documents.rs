//! Operations on documents.

use serde_json::json;

use super::{
    super::Server,
    frame::{Request, Response, collection_id, opcode, status},
};

/// The flags of a JSON document, as every SDK writes them.
const JSON_FLAGS: u32 = 0x0200_0006;
/// The manifest of collections never changes its number here: clients ask again when they meet an unknown id.
const MANIFEST: u64 = 1;

/// Answers one operation; the collection `hidden` is as if it were not there.
pub(super) fn operate(server: &Server, request: &Request, hidden: Option<&str>) -> Response {
    match request.opcode {
        opcode::GET_COLLECTION_ID => resolve(server, request, hidden),
        opcode::GET => get(server, request, hidden),
        opcode::DELETE => change(server, request, hidden, delete),
        _ => change(server, request, hidden, store),
    }
}

fn resolve(server: &Server, request: &Request, hidden: Option<&str>) -> Response {
    let path = String::from_utf8_lossy(&request.value);
    let Some((scope, name)) = path.split_once('.') else { return Response::of(status::INVALID) };
    let bucket = server.bucket.read().expect("nobody panics while documents change");
    if !bucket.has_scope(scope) {
        return unknown(status::UNKNOWN_SCOPE);
    }
    match bucket.collection(scope, name).filter(|_| hidden != Some(name)) {
        None => unknown(status::UNKNOWN_COLLECTION),
        Some(collection) => {
            let extras = [MANIFEST.to_be_bytes().as_slice(), &collection.id.to_be_bytes()].concat();
            Response { extras, ..Response::default() }
        }
    }
}

fn unknown(status: u16) -> Response {
    let context = json!({ "manifest_uid": format!("{MANIFEST:x}") });
    Response { status, is_json: true, ..Response::with(context.to_string()) }
}

fn get(server: &Server, request: &Request, hidden: Option<&str>) -> Response {
    let Some((id, key)) = addressed(request) else { return Response::of(status::INVALID) };
    let mut bucket = server.bucket.write().expect("nobody panics while documents change");
    let Some((_, collection)) = bucket.by_id(id).filter(|(name, _)| hidden != Some(name)) else {
        return unknown(status::UNKNOWN_COLLECTION);
    };
    match collection.documents.get(&key) {
        None => Response::of(status::KEY_NOT_FOUND),
        Some(document) => Response {
            cas: document.cas,
            is_json: document.is_json,
            extras: JSON_FLAGS.to_be_bytes().to_vec(),
            ..Response::with(document.text.as_bytes())
        },
    }
}

/// Checks what all changes have in common: the collection, and the CAS if one is asked for.
fn change(
    server: &Server,
    request: &Request,
    hidden: Option<&str>,
    apply: impl FnOnce(&mut super::super::documents::Collection, &str, &Request, u64) -> u16,
) -> Response {
    let Some((id, key)) = addressed(request) else { return Response::of(status::INVALID) };
    let mut bucket = server.bucket.write().expect("nobody panics while documents change");
    let cas = bucket.next_cas();
    let Some((_, collection)) = bucket.by_id(id).filter(|(name, _)| hidden != Some(name)) else {
        return unknown(status::UNKNOWN_COLLECTION);
    };
    let present = collection.documents.get(&key).map(|document| document.cas);
    if request.cas != 0 && present.is_some_and(|present| present != request.cas) {
        return Response::of(status::KEY_EXISTS);
    }
    match apply(collection, &key, request, cas) {
        status::SUCCESS => {
            let token = [1_u64.to_be_bytes(), cas.to_be_bytes()].concat();
            Response { cas, extras: token, ..Response::default() }
        }
        refused => Response::of(refused),
    }
}

fn store(collection: &mut super::super::documents::Collection, key: &str, request: &Request, cas: u64) -> u16 {
    match (request.opcode, collection.documents.contains_key(key)) {
        (opcode::ADD, true) => status::KEY_EXISTS,
        (opcode::REPLACE, false) => status::KEY_NOT_FOUND,
        _ => {
            collection.set(key, &String::from_utf8_lossy(&request.value), cas);
            status::SUCCESS
        }
    }
}

fn delete(collection: &mut super::super::documents::Collection, key: &str, _request: &Request, _cas: u64) -> u16 {
    if collection.remove(key) { status::SUCCESS } else { status::KEY_NOT_FOUND }
}

fn addressed(request: &Request) -> Option<(u32, String)> {
    let (id, key) = collection_id(&request.key)?;
    Some((id, String::from_utf8(key.to_vec()).ok()?))
}
