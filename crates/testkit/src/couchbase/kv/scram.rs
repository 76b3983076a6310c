//! The server's half of SCRAM-SHA-512 (RFC 5802): it proves that the client has the password and never sees it.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ring::{digest, hmac, pbkdf2};

/// Rounds of the password's hash. A real server takes thousands; here every connection of a test pays for them.
const ROUNDS: NonZeroU32 = NonZeroU32::MIN.saturating_add(1023);
const SALT: &[u8] = b"a salt for the double";

/// A login between its two steps.
#[derive(Debug)]
pub(super) struct Login {
    /// The client's first message without its header, and the server's answer to it.
    messages: String,
    nonce: String,
    salted_password: [u8; digest::SHA512_OUTPUT_LEN],
}

// === impl Login ===

impl Login {
    /// Takes the client's first message, and gives the login and the server's answer; `None` if it is not this user's.
    pub fn begin(message: &str, user: &str, password: &str) -> Option<(Self, String)> {
        static LOGINS: AtomicU64 = AtomicU64::new(1);
        let bare = message.strip_prefix("n,,")?;
        let (name, client_nonce) = bare.strip_prefix("n=")?.split_once(",r=")?;
        if name != user {
            return None;
        }
        let nonce = format!("{client_nonce}double{}", LOGINS.fetch_add(1, Ordering::Relaxed));
        let answer = format!("r={nonce},s={},i={ROUNDS}", BASE64.encode(SALT));
        let mut salted_password = [0; digest::SHA512_OUTPUT_LEN];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, ROUNDS, SALT, password.as_bytes(), &mut salted_password);
        Some((Self { messages: format!("{bare},{answer}"), nonce, salted_password }, answer))
    }

    /// Takes the client's proof, and gives the server's own; `None` if the password is another.
    pub fn finish(&self, message: &str) -> Option<String> {
        let (unproved, proof) = message.split_once(",p=")?;
        if unproved != format!("c=biws,r={}", self.nonce) {
            return None;
        }
        let messages = format!("{},{unproved}", self.messages);
        let client_key = hmac_of(&self.salted_password, b"Client Key");
        let stored_key = digest::digest(&digest::SHA512, client_key.as_ref());
        let client_signature = hmac_of(stored_key.as_ref(), messages.as_bytes());
        let proved = client_key.as_ref().iter().zip(client_signature.as_ref()).map(|(key, signature)| key ^ signature);
        if BASE64.decode(proof).ok()? != proved.collect::<Vec<u8>>() {
            return None;
        }
        let server_key = hmac_of(&self.salted_password, b"Server Key");
        Some(format!("v={}", BASE64.encode(hmac_of(server_key.as_ref(), messages.as_bytes()))))
    }
}

fn hmac_of(key: &[u8], message: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA512, key), message)
}
