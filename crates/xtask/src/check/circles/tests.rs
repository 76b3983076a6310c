use super::*;

fn circle(files: &[(&str, &str)]) -> Option<String> {
    let mut own = Crate::default();
    for (path, text) in files {
        let (_, module) = place(&format!("crates/x/src/{path}")).expect("a file of a crate");
        own.files.insert(module, Names::of(text).expect("Rust"));
    }
    own.circle().map(|circle| circle.iter().map(shown).collect::<Vec<_>>().join(" "))
}

#[test]
fn a_circle_is_found_in_imports_paths_and_macros() {
    let root = ("lib.rs", "mod a; mod b;");
    for knows in
        ["use crate::b::X;", "use super::b::{self, Y as Z};", "fn f() { crate::b::g() }", "f!(1, super::b::g(2));"]
    {
        assert_eq!(circle(&[root, ("a.rs", knows), ("b.rs", "use crate::a::f;")]).as_deref(), Some("a b a"), "{knows}");
        assert_eq!(circle(&[root, ("a.rs", knows), ("b.rs", "use std::fmt;")]), None, "{knows}");
    }
}

#[test]
fn what_is_passed_on_is_looked_up_where_it_is_made() {
    let root = ("lib.rs", "mod a; mod b; pub use b::X;");
    assert_eq!(circle(&[root, ("a.rs", "use crate::X;"), ("b.rs", "use crate::a::f;")]).as_deref(), Some("a b a"));
    assert_eq!(circle(&[root, ("a.rs", "pub fn f() {}"), ("b.rs", "use crate::a::f;")]), None);
}

#[test]
fn a_file_and_its_parent_may_know_each_other_and_a_grandparent_may_not() {
    let parent = ("a.rs", "mod b; fn f() { b::g() }");
    assert_eq!(circle(&[("lib.rs", "mod a;"), parent, ("a/b.rs", "use super::f;")]), None);
    let root = ("lib.rs", "mod a; fn h() { a::f() }");
    assert_eq!(circle(&[root, parent, ("a/b.rs", "use crate::h;")]).as_deref(), Some("the root a a::b the root"));
}

#[test]
fn tests_may_know_everything() {
    let root = ("lib.rs", "mod a; mod b;");
    let tested = ("b.rs", "#[cfg(test)] mod tests { use crate::a::f; }");
    assert_eq!(circle(&[root, ("a.rs", "use crate::b::X;"), tested]), None);
    assert!(place("crates/x/src/a/tests.rs").is_none());
}
