//! The stable codes of errors, and what they were called before.
//!
//! A code is written down where it stays: in the ledger, in the headers of dead letters, in people's notes. So a family
//! of codes that gets another name is still found by the former one, and what is read under the former name is told
//! under today's. Nobody else compares the two.

/// Former name and name of today of a family.
const FORMER: [(&str, &str); 3] =
    [("SLUICE-STORE-", "SLUICE-TARGET-"), ("SLUICE-WIRE-", "SLUICE-MESSAGE-"), ("SLUICE-DOC-", "SLUICE-DOCUMENT-")];

/// The code as it is called today.
pub fn today(code: &str) -> String {
    let today = FORMER.iter().find_map(|(former, today)| Some(format!("{today}{}", code.strip_prefix(former)?)));
    today.unwrap_or_else(|| code.to_owned())
}

/// The code as it was called before, when it was called otherwise.
pub fn former(code: &str) -> Option<String> {
    FORMER.iter().find_map(|(former, today)| Some(format!("{former}{}", code.strip_prefix(today)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_one_name_today_and_may_have_a_former_one() {
        for (old, new) in [
            ("SLUICE-STORE-004", "SLUICE-TARGET-004"),
            ("SLUICE-WIRE-001", "SLUICE-MESSAGE-001"),
            ("SLUICE-DOC-003", "SLUICE-DOCUMENT-003"),
        ] {
            assert_eq!((today(old).as_str(), today(new).as_str()), (new, new));
            assert_eq!((former(new).as_deref(), former(old)), (Some(old), None));
        }
        assert_eq!((today("SLUICE-KAFKA-001").as_str(), former("SLUICE-KAFKA-001")), ("SLUICE-KAFKA-001", None));
    }
}
