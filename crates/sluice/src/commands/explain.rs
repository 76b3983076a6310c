//! `sluice explain`: what an error code means and what to do, as in `docs/errors/`.

use clap::Args;
use pipeline_core::error_pages::ErrorPage;

use crate::{exit::Exit, failure::Failure, output, pages};

/// Which code.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sluice explain SLUICE-STORE-003
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
    let page = pages::find(&code).or_else(|| pages::find(&format!("SLUICE-{code}")));
    match page {
        Some(ErrorPage { code, title, cause, remedy }) => {
            Ok(format!("{code}: {title}\n\nWhy it happens\n{cause}\n\nWhat to do\n{remedy}\n"))
        }
        None => Err(Failure::new(Exit::Failed, format!("there is no error code `{code}`"))
            .hint("list all codes: sluice explain")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_in_any_case_and_without_its_prefix() {
        for code in ["SLUICE-STORE-001", "sluice-store-001", "store-001"] {
            assert!(explain(code).unwrap().starts_with("SLUICE-STORE-001: "), "{code}");
        }
        assert_eq!(explain("SLUICE-DOC-999").unwrap_err().exit, Exit::Failed);
    }
}
