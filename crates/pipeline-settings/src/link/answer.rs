//! The body of an answer over HTTP, read up to a bound: whoever sends without end has not answered.

use reqwest::Response;

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection broke, or time ran out.
    #[error(transparent)]
    Broken(#[from] reqwest::Error),
    /// There is more of it than was asked for.
    #[error("the answer has more than {most} bytes")]
    TooLong {
        /// The bound, in bytes.
        most: usize,
    },
}

/// All bytes of a body that has at most so many.
pub async fn body(mut response: Response, most: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > most {
            return Err(Error::TooLong { most });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
