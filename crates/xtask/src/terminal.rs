//! What a person reads while a verb works.

/// Says what is going on.
pub fn say(text: &str) {
    println!("xtask: {text}");
}
