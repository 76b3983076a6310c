//! What connections to servers have in common.
//!
//! | module | holds |
//! |---|---|
//! | [`answer`] | the body of an answer over HTTP, read up to a bound |
//! | [`distrust`] | why there is no trust between this program and a server |
//! | [`pem`] | authorities and client certificates from files |
//! | [`renewal`] | what is made from files that somebody renews |

#[cfg(feature = "http")]
pub mod answer;
pub mod distrust;
#[cfg(feature = "tls")]
pub mod pem;
pub mod renewal;
