//! Values that must not be shown, and the JSON in the secret: pure.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

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
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let parts = self.expose().chars().map(|c| if plain(c) { c.to_string() } else { format!("%{:02X}", c as u32) });
        Zeroizing::new(parts.collect())
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

/// The JSON that our secret holds.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
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
}

impl fmt::Debug for SecretContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretContent").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl SecretContent {
    /// The content of a secret before its group has endpoints: just the login.
    #[must_use]
    pub fn login(engine: &str, token: &AuthToken, replication_group_id: &str) -> SecretContent {
        SecretContent {
            engine: engine.to_owned(),
            username: "default".to_owned(),
            password: Zeroizing::new(token.expose().to_owned()),
            ssl: true,
            replication_group_id: replication_group_id.to_owned(),
            ..SecretContent::default()
        }
    }

    /// The token in a secret's text: the `password` of our JSON; `None` when the text is something else.
    #[must_use]
    pub fn parse(text: &str) -> Option<SecretContent> {
        serde_json::from_str::<SecretContent>(text).ok().filter(|content| !content.password.is_empty())
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
        SecretContent { password: Zeroizing::new(token.expose().to_owned()), url, ..self.clone() }
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
pub fn foreign_token(text: &str, key: Option<&str>) -> Result<AuthToken, String> {
    let Some(key) = key else {
        return Ok(AuthToken::new(text.to_owned()));
    };
    match serde_json::from_str::<Value>(text) {
        // Taken out, so that the only copy is one that is cleared.
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
    use super::*;

    #[test]
    fn a_token_never_prints() {
        let token = AuthToken::new("S3cr3t-S3cr3t-S3cr3t".into());
        let content = SecretContent::login("valkey", &token, "g");
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
            ..SecretContent::login("valkey", &AuthToken::new("old-old-old-old-".into()), "g")
        };
        let new = old.with_token(&AuthToken::new("new#new-new-new-".into()));
        assert_eq!(
            (new.password.as_str(), new.url.as_str()),
            ("new#new-new-new-", "rediss://default:new%23new-new-new-@h:6379")
        );
        let back = SecretContent { password: old.password.clone(), url: old.url.clone(), ..new };
        assert_eq!(back, old);
    }

    proptest::proptest! {
        #[test]
        fn exactly_the_documented_tokens_are_legal(token in "[ -~]{10,135}|[A-Za-z0-9!&#$^<>-]{10,135}|\\PC{16,40}") {
            let legal = |c: char| c.is_ascii_alphanumeric() || "!&#$^<>-".contains(c);
            let expected = (16..=128).contains(&token.chars().count()) && token.chars().all(legal);
            proptest::prop_assert_eq!(AuthToken::new(token).defect().is_none(), expected);
        }

        #[test]
        fn what_is_stored_is_read_back(token in "[A-Za-z0-9!&#$^<>-]{16,128}", host in "[a-z.]{0,40}", port in 1u16..) {
            let login = SecretContent::login("valkey", &AuthToken::new("0123456789abcdef".into()), "g");
            let content = SecretContent { host, port, ..login }.with_token(&AuthToken::new(token.clone()));
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
    fn a_foreign_secret_yields_its_whole_text_or_one_key() {
        assert_eq!(foreign_token("tok", None).unwrap().expose(), "tok");
        assert_eq!(foreign_token(r#"{"auth":"tok"}"#, Some("auth")).unwrap().expose(), "tok");
        assert!(foreign_token(r#"{"auth":"tok"}"#, Some("x")).unwrap_err().contains("no key x"));
        assert!(foreign_token("tok", Some("x")).unwrap_err().contains("not a JSON object"));
    }
}
