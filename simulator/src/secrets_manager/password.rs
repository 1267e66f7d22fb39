//! GetRandomPassword, and the numbers behind it: from a seed, so that runs are repeatable.

use serde_json::{Value, json};

use super::{SecretsManager, invalid_parameter};
use crate::wire::tree::text;
use crate::world::{Answer, AwsError, Call};

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &str = "0123456789";
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// A splitmix64 generator.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.next() % limit).unwrap_or_default()
    }

    fn pick(&mut self, from: &[char]) -> char {
        from[self.below(from.len())]
    }

    /// The six characters at the end of an ARN.
    pub(super) fn suffix(&mut self) -> String {
        let letters: Vec<char> = LOWER.chars().chain(UPPER.chars()).collect();
        (0..6).map(|_| self.pick(&letters)).collect()
    }

    /// A version id in the form that SDKs make them.
    pub(super) fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        )
    }
}

impl SecretsManager {
    /// From now on passwords, ARN suffixes and version ids come from this seed.
    pub fn seed(&mut self, seed: u64) {
        self.random = Random::new(seed);
    }

    pub(super) fn random_password(&mut self, call: &Call) -> Answer {
        let params = &call.params;
        let length = password_length(params)?;
        let classes = character_classes(params);
        let all: Vec<char> = classes.iter().flatten().copied().collect();
        let each = params["RequireEachIncludedType"] != json!(false);
        if all.is_empty() || (each && classes.iter().any(Vec::is_empty)) {
            return Err(invalid_parameter("The exclusions leave no character to choose from."));
        }
        let mut password: Vec<char> = Vec::with_capacity(length);
        if each {
            if length < classes.len() {
                return Err(invalid_parameter("PasswordLength is too small for one character of each included type."));
            }
            password.extend(classes.iter().map(|class| self.random.pick(class)));
        }
        while password.len() < length {
            password.push(self.random.pick(&all));
        }
        // The required characters must not stand in front always.
        for last in (1..password.len()).rev() {
            password.swap(last, self.random.below(last + 1));
        }
        Ok(json!({"RandomPassword": password.into_iter().collect::<String>()}))
    }
}

fn password_length(params: &Value) -> Result<usize, AwsError> {
    match &params["PasswordLength"] {
        Value::Null => Ok(32),
        length => {
            let length = length.as_u64().and_then(|length| usize::try_from(length).ok());
            let illegal = || invalid_parameter("PasswordLength must be 1 to 4096.");
            length.filter(|length| (1..=4096).contains(length)).ok_or_else(illegal)
        }
    }
}

/// The characters of each included type without the excluded ones.
fn character_classes(params: &Value) -> Vec<Vec<char>> {
    let excluded = text(params, "ExcludeCharacters").unwrap_or_default();
    let mut classes = Vec::new();
    for (option, characters) in [
        ("ExcludeLowercase", LOWER),
        ("ExcludeUppercase", UPPER),
        ("ExcludeNumbers", DIGITS),
        ("ExcludePunctuation", PUNCTUATION),
    ] {
        if params[option] != json!(true) {
            classes.push(characters.chars().filter(|c| !excluded.contains(*c)).collect());
        }
    }
    if params["IncludeSpace"] == json!(true) {
        classes.push(vec![' ']);
    }
    classes
}
