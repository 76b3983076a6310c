//! `sluice explain`: what an error code means and what to do, as in `docs/errors/`.

use clap::Args;

use pipeline_model::code;

use crate::{
    exit::Exit,
    failure::Failure,
    output,
    pages::{self, ErrorPage},
};

/// How like a code has to be to be suggested, of 1.
const LIKE: f64 = 0.7;

/// Which code.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sluice explain SLUICE-TARGET-003
  sluice explain                    list all codes")]
pub struct ExplainArgs {
    /// The code; without one, all codes are listed
    pub code: Option<String>,
}

/// Prints a page, or the list.
pub fn run(args: &ExplainArgs) -> Result<Exit, Failure> {
    let text = match &args.code {
        Some(code) => explain(code)?,
        None => pages::all().map(|page| format!("{:<20} {}\n", page.code, page.title)).collect(),
    };
    output::write(&text)?;
    Ok(Exit::Ok)
}

fn explain(code: &str) -> Result<String, Failure> {
    let code = code.trim().to_ascii_uppercase();
    let whole = format!("SLUICE-{code}");
    let page = pages::find(&code).or_else(|| pages::find(&whole));
    if page.is_none()
        && let Some(typed) = [&code, &whole].into_iter().find(|typed| pages::find(&code::today(typed)).is_some())
    {
        let today = code::today(typed);
        return Ok(format!("{typed} is called {today} now.\n\n{}", explain(&today)?));
    }
    match page {
        Some(ErrorPage { code, title, cause, remedy }) => {
            Ok(format!("{code}: {title}\n\nWhy it happens\n{cause}\n\nWhat to do\n{remedy}\n"))
        }
        None => {
            let hint = match nearest(&code) {
                Some(page) => format!("did you mean `{}` ({})? list all codes: sluice explain", page.code, page.title),
                None => "list all codes: sluice explain".to_owned(),
            };
            Err(Failure::new(Exit::Failed, format!("there is no error code `{code}`")).hint(hint))
        }
    }
}

/// The code that is most like what was typed, if any is.
fn nearest(code: &str) -> Option<ErrorPage> {
    // The prefix that all share would make any two alike.
    let own = |code: &'_ str| code.trim_start_matches("SLUICE-").to_owned();
    let likeness = |page: &ErrorPage| strsim::normalized_damerau_levenshtein(&own(page.code), &own(code));
    let best = pages::all().map(|page| (page, likeness(&page)));
    let best = best.reduce(|best, other| if other.1 > best.1 { other } else { best });
    best.filter(|(_, like)| *like >= LIKE).map(|(page, _)| page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_in_any_case_and_without_its_prefix() {
        for code in ["SLUICE-TARGET-001", "sluice-target-001", "target-001"] {
            assert!(explain(code).unwrap().starts_with("SLUICE-TARGET-001: "), "{code}");
        }
        for code in ["SLUICE-STORE-001", "store-001"] {
            let text = explain(code).unwrap();
            assert!(
                text.starts_with("SLUICE-STORE-001 is called SLUICE-TARGET-001 now.\n\nSLUICE-TARGET-001: "),
                "{text}"
            );
        }
        assert_eq!(explain("SLUICE-DOCUMENT-999").unwrap_err().exit, Exit::Failed);
    }

    #[test]
    fn a_code_that_is_not_one_gets_the_nearest() {
        for (typed, meant) in [("SLUICE-TARGET-01", "SLUICE-TARGET-001"), ("kakfa-011", "SLUICE-KAFKA-011")] {
            let hint = explain(typed).unwrap_err().hint.unwrap();
            assert!(hint.contains(&format!("did you mean `{meant}` (")), "{hint}");
        }
        assert_eq!(explain("what").unwrap_err().hint.unwrap(), "list all codes: sluice explain");
    }
}
