//! Rules for the sources, kept by reading them: the directions of imports, and what comments say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

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
const PURE: [&str; 11] = [
    "domain/",
    "auth/",
    "properties/",
    "desired/",
    "observed.rs",
    "step/",
    "plan/",
    "plan_event.rs",
    "preview.rs",
    "backoff.rs",
    "polling.rs",
];

/// The layers from the bottom to the top: a file imports from its own layer or from one below. Where two places fit, the
/// longer one counts.
const LAYERS: [&[&str]; 13] = [
    &["domain/", "backoff.rs", "polling.rs"],
    // The envelope, the network, and what the function says about itself know nothing of caches.
    &["cfn/", "http.rs", "telemetry/", "continuation.rs", "auth/token_state.rs", "cost.rs"],
    &["properties/"],
    &["desired/"],
    &["observed.rs"],
    &["step/"],
    &["plan/types.rs"],
    &["auth/"],
    &["plan/", "attributes.rs", "aws/"],
    &["error.rs", "environment.rs", "plan_event.rs", "preview.rs"],
    &["reconcile/"],
    &["invocation.rs"],
    &["handler.rs", "lib.rs", "main.rs", "bin/"],
];

/// Number of the layer of a file.
fn layer(name: &str) -> usize {
    let places = LAYERS.iter().enumerate().flat_map(|(layer, places)| places.iter().map(move |place| (layer, place)));
    let fits = |place: &str| name == place || place.ends_with('/') && name.starts_with(place);
    let (layer, _) = places
        .filter(|(_, place)| fits(place))
        .max_by_key(|(_, place)| place.len())
        .unwrap_or_else(|| panic!("{name} is in no layer: give it one in LAYERS"));
    layer
}

/// The files that a file imports from, by the paths in its code: `crate::`, and `super::` and `self::` which begin at its
/// own module. Names that a module passes on belong to that module.
fn imports<'s>(source: &Source, sources: &'s [Source]) -> BTreeSet<&'s str> {
    let own: Vec<&str> = module_path(&source.name);
    let code: String = source.code().map(|(_, line)| line + "\n").collect();
    let mut paths: Vec<Vec<String>> = Vec::new();
    for (root, text) in
        ["crate::", "super::", "self::"].iter().flat_map(|root| code.split(root).skip(1).map(move |t| (*root, t)))
    {
        let base: Vec<String> = match root {
            "crate::" => Vec::new(),
            "super::" => own[..own.len().saturating_sub(1)].iter().map(ToString::to_string).collect(),
            _ => own.iter().map(ToString::to_string).collect(),
        };
        paths.extend(braced(text).into_iter().map(|rest| [base.clone(), rest].concat()));
    }
    // A `mod.rs` passes on what is in its folder by paths that begin with the name of a file.
    if source.name.ends_with("mod.rs") {
        for text in
            code.split("use ").skip(1).filter(|text| !text.starts_with("crate::") && !text.starts_with("super::"))
        {
            let own: Vec<String> = own.iter().map(ToString::to_string).collect();
            paths.extend(braced(text).into_iter().map(|rest| [own.clone(), rest].concat()));
        }
    }
    let file = |path: &Vec<String>| {
        (1..=path.len()).rev().find_map(|length| {
            let module = path[..length].join("/");
            sources
                .iter()
                .map(|s| s.name.as_str())
                .find(|name| *name == format!("{module}.rs") || *name == format!("{module}/mod.rs"))
        })
    };
    paths.iter().filter_map(file).filter(|name| *name != source.name).collect()
}

/// The module of a file, by its parts.
fn module_path(name: &str) -> Vec<&str> {
    let name = name.trim_end_matches(".rs");
    let name = name.strip_suffix("/mod").unwrap_or(name);
    name.split('/').collect()
}

/// The paths that a text begins with: one, or one for each item of a list in braces.
fn braced(text: &str) -> Vec<Vec<String>> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !"_:{}, \n*".contains(c)).unwrap_or(text.len());
    let text = &text[..end];
    let word = |text: &str| -> Vec<String> {
        text.split("::").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
    };
    let first = text.find([' ', ',', '\n', '}']).unwrap_or(text.len());
    match text.find('{') {
        Some(open) if open <= first => {
            let head = word(&text[..open]);
            let list = text[open + 1..].split('}').next().unwrap_or_default();
            list.split(',')
                .filter(|item| !item.trim().is_empty())
                .map(|item| [head.clone(), word(item.split(" as ").next().unwrap_or_default())].concat())
                .collect()
        }
        _ => vec![word(&text[..first])],
    }
}

/// Imports that run upwards, and files that import each other, however many are between them.
fn breaches(sources: &[Source]) -> Vec<String> {
    let graph: BTreeMap<&str, BTreeSet<&str>> =
        sources.iter().map(|source| (source.name.as_str(), imports(source, sources))).collect();
    let mut breaches = Vec::new();
    for (from, to) in graph.iter().flat_map(|(from, all)| all.iter().map(move |to| (*from, *to))) {
        if layer(to) > layer(from) {
            breaches.push(format!("src/{from} imports from src/{to}, which is above it"));
        }
        let mut seen = BTreeSet::from([to]);
        let mut next = vec![to];
        while let Some(file) = next.pop() {
            next.extend(graph.get(file).into_iter().flatten().filter(|file| seen.insert(file)));
        }
        if seen.contains(from) {
            breaches.push(format!("src/{from} imports from src/{to}, which needs it in turn"));
        }
    }
    breaches
}

#[test]
fn imports_run_downwards_and_never_in_a_circle() {
    assert_none(breaches(&sources()).into_iter());
}

/// The rule above can fail.
#[test]
fn an_import_upwards_and_a_circle_are_found() {
    let source = |name: &str, text: &str| Source { name: name.to_owned(), text: text.to_owned() };
    let sources = [
        source("domain/names.rs", "use crate::{desired::Desired};"),
        source("desired/mod.rs", "pub use rules::check;"),
        source("desired/rules.rs", "use super::{Purpose, resolve};"),
        source("plan/a.rs", "fn f() { super::b::g() }"),
        source("plan/b.rs", "use crate::plan::{c, d::E};"),
        source("plan/c.rs", "use super::a::f;\n#[cfg(test)]\nuse crate::handler;"),
        source("plan/d.rs", "// use crate::plan::a;\nuse crate::domain::names::{self};"),
        source("handler.rs", ""),
    ];
    let found = breaches(&sources);
    let says = |part: &str| found.iter().filter(|breach| breach.contains(part)).count();
    assert_eq!((says("above"), says("in turn"), found.len()), (1, 5, 6), "{found:#?}");
    assert!(says("src/domain/names.rs imports from src/desired/mod.rs") == 1, "{found:#?}");
}

#[test]
fn only_the_aws_module_and_main_know_the_sdk() {
    let sources = sources();
    let others = sources.iter().filter(|source| !source.is_in(&["aws/", "main.rs"]));
    assert_none(others.flat_map(|source| source.naming(&["aws_sdk_"])));
}

#[test]
fn what_decides_does_not_wait_call_log_or_read_a_clock() {
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
    let others = cfn.flat_map(|source| {
        // How pauses grow has nothing to do with caches either.
        let others = imports(source, &sources).into_iter();
        let others = others.filter(|name| !name.starts_with("cfn/") && *name != "backoff.rs");
        others.map(|name| format!("src/{} imports from src/{name}", source.name))
    });
    assert_none(others);
}

#[test]
fn calls_to_aws_know_nothing_of_what_they_are_for() {
    let sources = sources();
    let aws = sources.iter().filter(|source| source.is_in(&["aws/"]));
    assert_none(aws.flat_map(|source| source.naming(&["reconcile", "handler", "cfn", "plan"])));
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

/// Longest function of `src/`, in lines.
const LONGEST_FUNCTION: usize = 80;

/// Functions that may be longer: each is one table or one exhaustive match.
const TABLES: [(&str, &str); 2] = [("aws/elasticache.rs", "create_group"), ("desired/resolve.rs", "resolve")];

/// Name and length of each function in these lines.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let starts = lines.iter().enumerate().filter_map(|(start, line)| {
        let code = line.trim_start();
        let name = code.split("fn ").nth(1)?.split(['(', '<']).next()?;
        let declares = ["fn ", "pub fn ", "pub(super) fn ", "pub(crate) fn ", "async fn ", "const fn "];
        let is_function = declares.iter().any(|words| code.starts_with(words)) || code.contains("async fn ");
        (is_function && !code.starts_with("//")).then_some((start, &line[..line.len() - code.len()], name))
    });
    let length = |(start, indent, name): (usize, &str, &str)| {
        let (end, one_line) = (format!("{indent}}}"), lines[start].ends_with(['}', ';']));
        let length = if one_line { 1 } else { lines[start..].iter().position(|line| **line == *end)? + 1 };
        Some((name.to_owned(), length))
    };
    starts.filter_map(length).collect()
}

#[test]
fn no_function_is_too_long_to_be_read_at_once() {
    let sources = sources();
    let long = sources.iter().flat_map(|source| {
        let functions = functions(&source.text).into_iter();
        let long =
            functions.filter(|(name, lines)| *lines > LONGEST_FUNCTION && !TABLES.contains(&(&source.name, name)));
        long.map(|(name, lines)| format!("src/{}: {name} has {lines} lines", source.name))
    });
    assert_none(long);
}

/// Words that once stood for something that has a name in the field; `docs/architecture.md` has the glossary.
const REPLACED: [&str; 20] = [
    "wish",
    "wishes",
    "glance",
    "overtaken",
    "overtakes",
    "overtook",
    "twin",
    "twins",
    "heed",
    "surroundings",
    "tidy",
    "foreign",
    "swept",
    "beside",
    "besides",
    "login",
    "logins",
    "concede",
    "settle",
    "settles",
];

/// Folders with text of our own, and the files in them that are read.
const WRITTEN: [(&str, &[&str]); 11] = [
    ("src", &["rs"]),
    ("simulator", &["rs"]),
    ("acceptance", &["rs"]),
    ("tests/it", &["rs"]),
    ("examples", &["rs", "yaml", "mjs", "py", "ts"]),
    ("docs", &["md"]),
    ("scripts", &["py"]),
    ("lint", &["py"]),
    ("cdk/src", &["ts"]),
    ("cdk/test", &["mjs"]),
    ("bench", &["rs", "py", "mjs"]),
];

/// Files below `folder` with one of these extensions, apart from what tools put there.
fn written(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|path| path.is_dir());
    let ours = folders.iter().filter(|path| !path.ends_with("node_modules") && !path.ends_with("target"));
    let inner = ours.flat_map(|path| written(path, extensions));
    let known =
        files.into_iter().filter(|path| extensions.iter().any(|known| path.extension() == Some(known.as_ref())));
    inner.chain(known).collect()
}

/// Words of [`REPLACED`] in a text, each with its line. Words in quotes are values that somebody else chose.
fn replaced(text: &str) -> Vec<(usize, String)> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with('"'));
    let words = lines.flat_map(|(index, line)| {
        let words = line.split(|c: char| !c.is_ascii_alphabetic()).map(str::to_ascii_lowercase);
        words.map(move |word| (index + 1, word))
    });
    words.filter(|(_, word)| REPLACED.contains(&word.as_str())).collect()
}

#[test]
fn things_are_called_what_the_field_calls_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = WRITTEN.iter().flat_map(|(folder, extensions)| written(&root.join(folder), extensions));
    let old = files.flat_map(|path| {
        let found = replaced(&std::fs::read_to_string(&path).unwrap()).into_iter();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        found.map(move |(line, word)| format!("{name}:{line} says {word}")).collect::<Vec<_>>()
    });
    assert_none(old);
}

#[test]
fn an_old_word_is_found() {
    let text = format!("// As before.\n    \"{0}\",\n// Once {0}, twice.\n", REPLACED[0]);
    assert_eq!(replaced(&text), [(3, REPLACED[0].to_owned())]);
}

/// The rules above can fail.
#[test]
fn a_long_function_is_measured() {
    let text = format!(
        "impl A {{\n    pub async fn long(\n        &self,\n    ) {{\n{}    }}\n    fn one() {{}}\n}}\n",
        "        a();\n".repeat(90)
    );
    let found = functions(&text);
    assert_eq!(found, [("long".to_owned(), 94), ("one".to_owned(), 1)]);
}

/// A file is found by its name alone. Files that mean the same in every folder are left out.
#[test]
fn no_two_files_have_one_name() {
    assert_none(repeated(sources().iter().map(|source| source.name.as_str())));
}

/// File names that more than one path ends with, each with its paths.
fn repeated<'n>(names: impl Iterator<Item = &'n str>) -> impl Iterator<Item = String> {
    let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in names {
        places.entry(name.rsplit('/').next().unwrap()).or_default().push(name);
    }
    let same = ["mod.rs", "tests.rs"];
    let several = places.into_iter().filter(move |(file, names)| names.len() > 1 && !same.contains(file));
    several.map(|(file, names)| format!("{file}: {}", names.join(", ")))
}

#[test]
fn a_repeated_name_is_found() {
    let found: Vec<String> =
        repeated(["a/mod.rs", "b/mod.rs", "a/types.rs", "b/types.rs", "c.rs"].into_iter()).collect();
    assert_eq!(found, ["types.rs: a/types.rs, b/types.rs"]);
}
