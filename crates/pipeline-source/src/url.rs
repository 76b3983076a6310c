//! Which source a URL names.

use std::{ffi::OsString, os::unix::ffi::OsStringExt, path::PathBuf};

use percent_encoding::percent_decode_str;

use crate::Error;

/// What `source.url` points at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// `file:///folder`.
    Folder(PathBuf),
    /// `generator:?…`, with the part behind the question mark.
    Generator(String),
    /// `couchbase://…` or `couchbases://…`, which is read where it is used.
    Couchbase,
}

/// Reads the URL. Never repeats it in an error: a URL may hold a password.
pub(crate) fn parse(url: &str) -> Result<Location, Error> {
    if url.trim().is_empty() {
        return Err(invalid("it is not set; use `couchbase://host/bucket.scope`, `file:///folder` or `generator:?…`"));
    }
    let Some((scheme, rest)) = url.split_once(':') else {
        return Err(invalid("it has no scheme; a folder is written `file:///folder`"));
    };
    match scheme.to_ascii_lowercase().as_str() {
        "file" => folder(rest),
        "generator" => generator(rest),
        "couchbase" | "couchbases" => Ok(Location::Couchbase),
        _ => Err(Error::Scheme { scheme: scheme.to_owned() }),
    }
}

fn folder(rest: &str) -> Result<Location, Error> {
    let path = rest.strip_prefix("//localhost").or_else(|| rest.strip_prefix("//")).unwrap_or(rest);
    if !path.starts_with('/') {
        return Err(invalid("the path of a folder is absolute and follows three slashes: `file:///folder`"));
    }
    // A percent sign that is not followed by two hexadecimal digits stands for itself.
    let bytes: Vec<u8> = percent_decode_str(path).collect();
    Ok(Location::Folder(PathBuf::from(OsString::from_vec(bytes))))
}

fn generator(rest: &str) -> Result<Location, Error> {
    match rest.strip_prefix("//").unwrap_or(rest) {
        "" => Ok(Location::Generator(String::new())),
        rest => match rest.strip_prefix('?') {
            Some(query) => Ok(Location::Generator(query.to_owned())),
            None => Err(invalid("the generator's parameters follow a question mark: `generator:?services=40`")),
        },
    }
}

fn invalid(reason: &str) -> Error {
    Error::Url { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_an_absolute_path_and_may_be_percent_encoded() {
        let folder = |path: &str| Location::Folder(PathBuf::from(path));
        assert_eq!(parse("file:///data/export").unwrap(), folder("/data/export"));
        assert_eq!(parse("file://localhost/data").unwrap(), folder("/data"));
        assert_eq!(parse("file:/data").unwrap(), folder("/data"));
        assert_eq!(parse("FILE:///d%C3%A4ta/a%20b").unwrap(), folder("/däta/a b"));
        assert_eq!(parse("file:///100%/50%zz").unwrap(), folder("/100%/50%zz"));
    }

    #[test]
    fn a_url_that_names_no_source_is_refused_with_what_to_write_instead() {
        for (url, expected) in [
            ("", "not set"),
            ("/data/export", "file:///folder"),
            ("file://data", "three slashes"),
            ("file:data", "three slashes"),
            ("generator:services=1", "question mark"),
            ("s3://user:secret@bucket", "`couchbase://host/bucket.scope`, `file:///folder` or"),
        ] {
            let message = parse(url).unwrap_err().to_string();
            assert!(message.contains(expected), "{url}: {message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }
}
