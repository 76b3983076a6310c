//! What people configure, and what their settings name.
//!
//! | module | holds |
//! |---|---|
//! | [`settings`] | the configuration keys, and the names on a cluster that follow from them |
//! | [`configuration`] | how they are layered and checked: defaults, file, environment, flags |
//! | [`target_url`] | the URL of a target or a source, and whether its link is encrypted |
//! | [`files`] | files that are read up to a bound, and files that are made |
//! | [`link`] | what connections have in common: certificates, their renewal, why there is no trust |
//! | [`redaction`] | URLs without their secrets, for whatever people read |
//! | [`printable`] | text that somebody else wrote, without what steers a terminal |

pub mod configuration;
pub mod files;
pub mod link;
pub mod printable;
pub mod redaction;
pub mod settings;
pub mod target_url;
