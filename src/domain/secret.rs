//! Values that must not be shown, and the JSON in the secret: pure.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// What a URL cannot carry as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-');

/// An AUTH token. Prints as `[redacted]`; its memory is cleared when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthToken(Zeroizing<String>);

impl AuthToken {
    /// Wraps a token.
    #[must_use]
    pub fn new(token: String) -> AuthToken {
        AuthToken(Zeroizing::new(token))
    }

    /// The token itself, for the calls that must carry it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The token as a URL writes it, percent-encoded.
    #[must_use]
    pub fn encoded(&self) -> Zeroizing<String> {
        // With room for all of it from the start: a text that grows leaves copies behind that nobody wipes.
        let mut encoded = Zeroizing::new(String::with_capacity(3 * self.expose().len()));
        encoded.extend(utf8_percent_encode(self.expose(), ENCODED));
        encoded
    }

    /// What AWS demands of a token and this one lacks, or `None` when it is legal.
    ///
    /// 16 to 128 characters; letters, digits and the symbols that Create, Modify and the guide all accept.
    #[must_use]
    pub fn defect(&self) -> Option<String> {
        let token = self.expose();
        let length = token.chars().count();
        if !(16..=128).contains(&length) {
            return Some(format!("must have 16 to 128 characters and has {length}"));
        }
        if token.chars().any(|c| !c.is_ascii_alphanumeric() && !TOKEN_SYMBOLS.contains(c)) {
            return Some(format!("may hold only ASCII letters, digits and {TOKEN_SYMBOLS}"));
        }
        None
    }
}

/// The symbols that an AUTH token may hold.
pub const TOKEN_SYMBOLS: &str = "!&#$^<>-";

/// Length of a generated token.
pub const TOKEN_LENGTH: i64 = 64;

/// What GetRandomPassword must leave out so that exactly [`TOKEN_SYMBOLS`], letters and digits remain.
pub const TOKEN_EXCLUDED: &str = "\"%'()*+,./:;=?@[\\]_`{|}~";

impl fmt::Debug for AuthToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Keys that others added to the JSON of our secret, with their values. They are kept as they are and never shown.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct OtherKeys(Map<String, Value>);

impl OtherKeys {
    /// The keys of a secret's text that are not ours; none when it is no JSON object.
    #[must_use]
    pub fn of(text: &str) -> OtherKeys {
        match serde_json::from_str(text) {
            Ok(Value::Object(mut map)) => {
                map.retain(|key, _| !OUR_KEYS.contains(&key.as_str()));
                OtherKeys(map)
            }
            _ => OtherKeys::default(),
        }
    }
}

impl fmt::Debug for OtherKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} redacted]", self.0.len())
    }
}

/// The keys that the function writes; a test compares them with [`SecretContent`].
const OUR_KEYS: [&str; 9] =
    ["engine", "host", "port", "readerHost", "username", "password", "ssl", "replicationGroupId", "url"];

/// The JSON that our secret holds.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretContent {
    /// `valkey` or `redis`.
    pub engine: String,
    /// Host for writes: the primary, or the configuration endpoint when sharded.
    pub host: String,
    /// Port of all endpoints.
    pub port: u16,
    /// Host for reads, empty when sharded.
    pub reader_host: String,
    /// Always `default`, the user that AUTH with a token alone means.
    pub username: String,
    /// The token.
    pub password: Zeroizing<String>,
    /// Whether connections use TLS.
    pub ssl: bool,
    /// Replication group id.
    pub replication_group_id: String,
    /// `rediss://` URL with the password, as client libraries take it.
    pub url: Zeroizing<String>,
    /// What others added.
    #[serde(flatten)]
    pub others: OtherKeys,
    /// Whether every key of ours was there, with a value of its type. What is not so is written anew.
    #[serde(skip)]
    pub is_whole: bool,
}

impl fmt::Debug for SecretContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretContent").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl SecretContent {
    /// The content of a secret before its group has endpoints: just the credentials.
    #[must_use]
    pub fn of_token(engine: &str, token: &AuthToken, replication_group_id: &str) -> SecretContent {
        SecretContent {
            engine: engine.to_owned(),
            username: "default".to_owned(),
            password: Zeroizing::new(token.expose().to_owned()),
            ssl: true,
            replication_group_id: replication_group_id.to_owned(),
            host: String::new(),
            port: 0,
            reader_host: String::new(),
            url: Zeroizing::default(),
            others: OtherKeys::default(),
            is_whole: true,
        }
    }

    /// Reads a secret's text. Only the password must be right: people edit secrets by hand, and the console turns numbers
    /// into text.
    ///
    /// # Errors
    /// Why no token can be read, without the content.
    pub fn parse(text: &str) -> Result<SecretContent, String> {
        let mut map = match serde_json::from_str(text) {
            Ok(Value::Object(map)) => map,
            Ok(_) => return Err("its JSON is not an object".to_owned()),
            Err(_) => return Err("it is not JSON".to_owned()),
        };
        // Applied out, so that the only copy is one that is cleared.
        let password = match map.remove("password") {
            Some(Value::String(password)) => AuthToken::new(password),
            Some(Value::Null) | None => return Err("its JSON has no password".to_owned()),
            Some(_) => return Err("its password is not a string".to_owned()),
        };
        if let Some(defect) = password.defect() {
            return Err(format!("its password {defect}"));
        }
        let mut is_whole = true;
        let mut text = |key: &str| {
            if let Some(Value::String(text)) = map.remove(key) {
                return text;
            }
            is_whole = false;
            String::new()
        };
        let (engine, host, reader_host) = (text("engine"), text("host"), text("readerHost"));
        let (username, replication_group_id) = (text("username"), text("replicationGroupId"));
        let url = Zeroizing::new(text("url"));
        let port = match map.remove("port") {
            Some(Value::Number(number)) => number.as_u64().and_then(|port| u16::try_from(port).ok()),
            Some(Value::String(text)) => {
                is_whole = false;
                text.trim().parse().ok()
            }
            _ => None,
        };
        let ssl = map.remove("ssl").and_then(|ssl| ssl.as_bool());
        Ok(SecretContent {
            engine,
            host,
            port: port.unwrap_or_default(),
            reader_host,
            username,
            password: password.0,
            ssl: ssl.unwrap_or(true),
            replication_group_id,
            url,
            others: OtherKeys(map),
            is_whole: is_whole && port.is_some() && ssl.is_some(),
        })
    }

    /// The JSON text to store.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        Zeroizing::new(serde_json::to_string(self).unwrap_or_default())
    }

    /// The same with another token.
    #[must_use]
    pub fn with_token(&self, token: &AuthToken) -> SecretContent {
        let url = match self.host.as_str() {
            "" => Zeroizing::default(),
            host => SecretContent::connection_url(host, self.port, token),
        };
        SecretContent { password: Zeroizing::new(token.expose().to_owned()), url, is_whole: true, ..self.clone() }
    }

    /// The token.
    #[must_use]
    pub fn token(&self) -> AuthToken {
        AuthToken(self.password.clone())
    }

    /// `rediss://default:<password>@host:port`, the password percent-encoded.
    #[must_use]
    pub fn connection_url(host: &str, port: u16, token: &AuthToken) -> Zeroizing<String> {
        Zeroizing::new(format!("rediss://default:{}@{host}:{port}", *token.encoded()))
    }
}

/// The token in a secret that we do not own: the whole text, or one key of its JSON.
///
/// # Errors
/// Says what is missing, without the content.
pub fn external_token(text: &str, key: Option<&str>) -> Result<AuthToken, String> {
    let Some(key) = key else {
        return Ok(AuthToken::new(text.to_owned()));
    };
    match serde_json::from_str::<Value>(text) {
        // Applied out, so that the only copy is one that is cleared.
        Ok(Value::Object(mut map)) => match map.remove(key) {
            Some(Value::String(token)) => Ok(AuthToken::new(token)),
            Some(_) => Err(format!("its key {key} is not a string")),
            None => Err(format!("its JSON has no key {key}")),
        },
        _ => Err("it is not a JSON object".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::test_runner::{Config, RngSeed};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_never_prints() {
        let token = AuthToken::new("S3cr3t-S3cr3t-S3cr3t".into());
        let content = SecretContent::of_token("valkey", &token, "g");
        assert_eq!(format!("{token:?} {content:?}").matches("S3cr3t").count(), 0);
    }

    #[test]
    fn the_excluded_characters_leave_exactly_the_legal_alphabet() {
        for c in (33u8..127).map(char::from) {
            let legal = c.is_ascii_alphanumeric() || TOKEN_SYMBOLS.contains(c);
            assert_ne!(legal, TOKEN_EXCLUDED.contains(c), "{c}");
        }
    }

    #[test]
    fn a_token_outside_the_rules_says_which() {
        assert!(AuthToken::new("short".into()).defect().unwrap().contains("16 to 128"));
        assert!(AuthToken::new("has-a-slash/which-is-refused".into()).defect().unwrap().contains("may hold only"));
        assert_eq!(AuthToken::new("Legal-token!&#$^<>-0".into()).defect(), None);
    }

    #[test]
    fn another_token_changes_password_and_url_only() {
        let old = SecretContent {
            host: "h".into(),
            port: 6379,
            ..SecretContent::of_token("valkey", &AuthToken::new("old-old-old-old-".into()), "g")
        };
        let new = old.with_token(&AuthToken::new("new#new-new-new-".into()));
        assert_eq!(
            (new.password.as_str(), new.url.as_str()),
            ("new#new-new-new-", "rediss://default:new%23new-new-new-@h:6379")
        );
        let back = SecretContent { password: old.password.clone(), url: old.url.clone(), ..new };
        assert_eq!(back, old);
    }

    #[test]
    fn whatever_people_did_to_a_secret_its_password_and_their_keys_are_read() {
        let credentials = SecretContent::of_token("valkey", &AuthToken::new("0123456789abcdef".into()), "g");
        let whole = SecretContent { host: "h".into(), port: 6379, ..credentials };
        let written: Map<String, Value> = serde_json::from_str(&whole.to_json()).unwrap();
        assert_eq!(written.keys().map(String::as_str).collect::<BTreeSet<_>>(), OUR_KEYS.into());
        let read = |map: &Map<String, Value>| SecretContent::parse(&Value::Object(map.clone()).to_string()).unwrap();
        assert_eq!(read(&written), whole);
        let mut added = written.clone();
        added.insert("database".into(), json!({"of": ["theirs", 1, null]}));
        assert!(read(&added).is_whole);
        let rewritten: Map<String, Value> = serde_json::from_str(&read(&added).to_json()).unwrap();
        assert_eq!(rewritten, added);
        for key in OUR_KEYS.into_iter().filter(|key| *key != "password") {
            for wrong in [None, Some(json!(null)), Some(json!({"a": 1})), Some(json!([])), Some(json!(-1))] {
                let mut broken = added.clone();
                broken.remove(key);
                broken.extend(wrong.map(|wrong| (key.to_owned(), wrong)));
                let read = read(&broken);
                assert!(!read.is_whole && read.token() == whole.token(), "{key}: {broken:?}");
                assert_eq!(read.others, OtherKeys::of(&Value::Object(added.clone()).to_string()), "{key}");
            }
        }
        for (key, text) in [("port", "6379"), ("ssl", "true")] {
            let mut broken = written.clone();
            broken.insert(key.into(), json!(text));
            let read = read(&broken);
            assert!(!read.is_whole && read.port == 6379 && read.ssl, "{key}");
        }
    }

    #[test]
    fn what_holds_no_password_says_why_without_the_content() {
        for (text, why) in [
            ("", "is not JSON"),
            ("hunter2-hunter2-hunter2", "is not JSON"),
            ("[\"hunter2\"]", "is not an object"),
            ("\"hunter2\"", "is not an object"),
            ("null", "is not an object"),
            ("{}", "has no password"),
            (r#"{"Password":"hunter2-hunter2-hunter2"}"#, "has no password"),
            (r#"{"password":null}"#, "has no password"),
            (r#"{"password":1234567890123456}"#, "password is not a string"),
            (r#"{"password":{"hunter2":1}}"#, "password is not a string"),
            (r#"{"password":""}"#, "must have 16 to 128"),
            (r#"{"password":"hunter2"}"#, "must have 16 to 128"),
            (r#"{"password":"hunter2 hunter2 hunter2"}"#, "may hold only"),
        ] {
            let reason = SecretContent::parse(text).unwrap_err();
            assert!(reason.contains(why) && !reason.contains("hunter2"), "{text}: {reason}");
        }
    }

    proptest::proptest! {
        // The same tokens in every run.
        #![proptest_config(Config { rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Config::default() })]

        #[test]
        fn exactly_the_documented_tokens_are_legal(token in "[ -~]{10,135}|[A-Za-z0-9!&#$^<>-]{10,135}|\\PC{16,40}") {
            let legal = |c: char| c.is_ascii_alphanumeric() || "!&#$^<>-".contains(c);
            let expected = (16..=128).contains(&token.chars().count()) && token.chars().all(legal);
            proptest::prop_assert_eq!(AuthToken::new(token).defect().is_none(), expected);
        }

        #[test]
        fn what_is_stored_is_read_back(token in "[A-Za-z0-9!&#$^<>-]{16,128}", host in "[a-z.]{0,40}", port in 1u16..) {
            let credentials = SecretContent::of_token("valkey", &AuthToken::new("0123456789abcdef".into()), "g");
            let content = SecretContent { host, port, ..credentials }.with_token(&AuthToken::new(token.clone()));
            let read = SecretContent::parse(&content.to_json()).unwrap();
            proptest::prop_assert!(read.token() == AuthToken::new(token));
            proptest::prop_assert!(read == content);
        }
    }

    #[test]
    fn the_url_carries_the_password_encoded() {
        let token = AuthToken::new("a#b<c".into());
        assert_eq!(*SecretContent::connection_url("h", 6379, &token), "rediss://default:a%23b%3Cc@h:6379");
    }

    #[test]
    fn a_external_secret_yields_its_whole_text_or_one_key() {
        assert_eq!(external_token("tok", None).unwrap().expose(), "tok");
        assert_eq!(external_token(r#"{"auth":"tok"}"#, Some("auth")).unwrap().expose(), "tok");
        assert!(external_token(r#"{"auth":"tok"}"#, Some("x")).unwrap_err().contains("no key x"));
        assert!(external_token("tok", Some("x")).unwrap_err().contains("not a JSON object"));
    }
}
