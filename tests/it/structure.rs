//! Rules for the sources, kept by reading them: the directions of imports, and what comments say.

use std::path::PathBuf;

use crate::harness::project_file;

/// A file of the function.
pub(crate) struct Source {
    /// Below `src/`, with slashes.
    name: String,
    pub(crate) text: String,
}

impl Source {
    /// Lines of code, numbered: no comments, no texts, nothing after the start of the tests at the end of a file.
    fn code(&self) -> impl Iterator<Item = (usize, String)> {
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
        let lines = lines.take_while(|(_, line)| *line != "#[cfg(test)]").filter(|(_, line)| !line.starts_with("//"));
        lines.map(|(number, line)| (number, without_texts(line)))
    }

    /// Where one of these words stands in the code.
    fn naming<'s>(&'s self, words: &'s [&str]) -> impl Iterator<Item = String> + 's {
        self.code().filter_map(|(number, line)| {
            let word = words.iter().find(|word| has_word(&line, word))?;
            Some(format!("src/{}:{number} names {word}", self.name))
        })
    }

    fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.name == *place || place.ends_with('/') && self.name.starts_with(place))
    }
}

/// The line without what stands between quotation marks. Texts that go over several lines confuse it; a rule that is
/// broken by that is seen at once.
fn without_texts(line: &str) -> String {
    line.replace("\\\"", "").split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}

/// Whether `word` stands in the line and does not go on to the left or right. A word that ends in `_` may go on.
fn has_word(line: &str, word: &str) -> bool {
    let part_of_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(part_of_word);
        let after = line[at + word.len()..].chars().next().is_some_and(part_of_word);
        !before && (!after || word.ends_with('_'))
    })
}

/// All sources; files that hold tests only are left out.
pub(crate) fn sources() -> Vec<Source> {
    let root = project_file("src");
    let mut sources = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                sources.push(Source { name, text: std::fs::read_to_string(&path).unwrap() });
            }
        }
    }
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(sources.len() > 20, "the sources are somewhere else");
    sources
}

/// The lines of `sources` that break a rule.
fn assert_none(broken: impl Iterator<Item = String>) {
    let broken: Vec<String> = broken.collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Code that decides and only decides.
const PURE: [&str; 9] = [
    "reconcile/plan/",
    "rotation/decide/",
    "login.rs",
    "desired/",
    "observed.rs",
    "properties/",
    "names.rs",
    "engine.rs",
    "problem.rs",
];

#[test]
fn only_the_aws_module_and_main_know_the_sdk() {
    let sources = sources();
    let others = sources.iter().filter(|source| !source.is_in(&["aws/", "main.rs"]));
    assert_none(others.flat_map(|source| source.naming(&["aws_sdk_"])));
}

#[test]
fn what_decides_does_not_wait_call_log_or_look_at_a_clock() {
    let sources = sources();
    let pure: Vec<&Source> = sources.iter().filter(|source| source.is_in(&PURE)).collect();
    assert!(pure.len() > PURE.len(), "a place is empty");
    let words = ["async", "await", "tokio", "aws_sdk_", "aws_smithy_", "tracing", "Instant", "SystemTime", "fastrand"];
    assert_none(pure.into_iter().flat_map(|source| source.naming(&words)));
}

#[test]
fn the_cloudformation_side_knows_nothing_of_caches() {
    let sources = sources();
    let cfn = sources.iter().filter(|source| source.is_in(&["cfn/"]));
    let foreign = cfn.flat_map(|source| {
        let imports = source.code().filter(|(_, line)| has_word(line, "crate"));
        let others = imports.filter(|(_, line)| line.matches("crate::").count() > line.matches("crate::cfn").count());
        others.map(|(number, line)| format!("src/{}:{number} says {line}", source.name))
    });
    assert_none(foreign);
}

#[test]
fn calls_to_aws_know_nothing_of_what_they_are_for() {
    let sources = sources();
    let aws = sources.iter().filter(|source| source.is_in(&["aws/"]));
    assert_none(aws.flat_map(|source| source.naming(&["reconcile", "handler", "cfn"])));
}

#[test]
fn every_file_says_first_what_it_is_for() {
    let sources = sources();
    let silent = sources.iter().filter(|source| !source.text.starts_with("//! "));
    assert_none(silent.map(|source| format!("src/{} does not open with a //! line", source.name)));
}

/// Whoever reads a comment should need nothing else. The number of a scenario (an S with digits) needs a list.
#[test]
fn no_text_speaks_of_the_number_of_a_scenario() {
    let mut texts = Vec::new();
    let mut folders = ["src", "tests", "simulator", "examples", "scripts", "docs", "bench"].map(project_file).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("node_modules") && !path.ends_with("target") {
                    folders.push(path);
                }
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                texts.push((path, text));
            }
        }
    }
    assert!(texts.len() > 150, "the files are somewhere else: {}", texts.len());
    let numbered = texts.iter().flat_map(|(path, text)| {
        let lines = text.lines().enumerate().filter(|(_, line)| names_a_scenario(line));
        lines.map(|(index, line)| format!("{}:{} says {line}", path.display(), index + 1))
    });
    assert_none(numbered);
}

/// Whether `S` and two or three digits are a word of this line. `S3` is a service.
fn names_a_scenario(line: &str) -> bool {
    line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter_map(|word| word.strip_prefix('S'))
        .any(|number| (2..=3).contains(&number.len()) && number.chars().all(|c| c.is_ascii_digit()))
}

#[test]
fn numbers_of_scenarios_are_told_from_other_words() {
    let numbered = |number: u32| format!("/// S{number}: the same");
    assert!(names_a_scenario(&numbered(33)) && names_a_scenario(&numbered(104)));
    for other in [&numbered(3), &numbered(2025), "files in S3.", "sha256 and AES25", "an_S12_name", "S"] {
        assert!(!names_a_scenario(other), "{other}");
    }
}

/// The rules above can fail.
#[test]
fn words_are_found_in_code_and_not_in_comments_or_longer_words() {
    let text = "//! async\nuse aws_sdk_ec2::Client;\n    // tokio\nlet instant = Asynchronous(\"tokio\");\n#[cfg(test)]\nuse tokio;\n";
    let source = Source { name: "desired/mod.rs".to_owned(), text: text.to_owned() };
    assert!(source.is_in(&PURE) && !source.is_in(&["desired", "aws/"]));
    let found: Vec<String> = source.naming(&["async", "aws_sdk_", "tokio", "Instant"]).collect();
    assert_eq!(found, ["src/desired/mod.rs:2 names aws_sdk_"]);
}
