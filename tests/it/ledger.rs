//! The ledger `docs/aws-calls.md` against what all tests send.
//!
//! A write of a shape that is not there is refused by the local AWS and fails the test that sent it. A line that nothing
//! sends can only be found after all tests: with `SENT_CALLS` in the environment each test process leaves there what it
//! sent, and the last test here compares.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use simulator::LocalAws;
use simulator::ledger::Ledger;

use crate::harness::project_file;

const PAGE: &str = "docs/aws-calls.md";

/// One for the whole process, so that a shape is written down once.
static LEDGER: LazyLock<Arc<Ledger>> = LazyLock::new(|| {
    let ledger = page();
    Arc::new(match folder() {
        Some(folder) => ledger.recorded_in(&folder),
        None => ledger,
    })
});

fn page() -> Ledger {
    Ledger::parse(&std::fs::read_to_string(project_file(PAGE)).unwrap()).unwrap()
}

fn folder() -> Option<PathBuf> {
    std::env::var_os("SENT_CALLS").filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

/// Holds the function of an account to the ledger, and fails the test at its end when it was not kept to.
#[derive(Debug)]
pub(crate) struct Kept(LocalAws);

impl Kept {
    pub(crate) fn to_the_ledger(aws: &LocalAws) -> Kept {
        aws.keep_to(Arc::clone(&LEDGER));
        Kept(aws.clone())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let unlisted: Vec<String> = self.0.unlisted().iter().map(ToString::to_string).collect();
        // A second panic would hide the first.
        let is_kept = unlisted.is_empty() || std::thread::panicking();
        assert!(is_kept, "{PAGE} has no line for what this test sent:\n{}", unlisted.join("\n"));
    }
}

#[test]
fn the_page_says_how_many_shapes_it_has_and_how_many_are_assumed() {
    let (lines, assumed) = page().count();
    let text = std::fs::read_to_string(project_file(PAGE)).unwrap();
    let said = format!("**{lines} shapes, {assumed} of them assumed.**");
    assert!(text.contains(&said), "{PAGE} does not say {said}");
}

#[test]
#[ignore = "checks what all other tests sent; `make test` runs it after them"]
fn every_line_is_sent_by_some_test_and_every_call_has_its_line() {
    let folder = folder().expect("SENT_CALLS names the folder where the other tests left what they sent");
    let (unsent, unknown) = page().compare(&folder).unwrap();
    assert_eq!(unsent, Vec::<String>::new(), "lines of {PAGE} that no test sends");
    assert_eq!(unknown, Vec::<String>::new(), "calls without a line in {PAGE}");
}
