//! `local-aws cli`: sends commands to a cache, as valkey-cli does.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;
use redis::Value;
use redis::aio::MultiplexedConnection;

use crate::client::Cache;
use crate::secret;

#[derive(Args)]
pub(crate) struct Options {
    /// Where the cache listens: what `Connection.Endpoint` says
    #[arg(value_name = "HOST:PORT")]
    endpoint: String,
    /// Command to send; without one they are read from the standard input, one on each line
    #[arg(trailing_var_arg = true)]
    command: Vec<String>,
    /// Secret with the password, at the AWS that AWS_ENDPOINT_URL names; TLS is used where the secret says so
    #[arg(long, value_name = "ARN")]
    secret: Option<String>,
    /// Certificate that is trusted, in PEM: what `local-aws serve` prints
    #[arg(long, value_name = "PATH")]
    certificate: Option<PathBuf>,
}

pub(crate) async fn run(options: &Options) -> Result<(), String> {
    let mut connection = connect(options).await?;
    if !options.command.is_empty() {
        let answer = send(&mut connection, &options.command).await?;
        println!("{}", shown(&answer, ""));
        return Ok(());
    }
    let prompt = std::io::stdin().is_terminal();
    loop {
        if prompt {
            print!("{}> ", options.endpoint);
            // Without its prompt it works too.
            let _ = std::io::stdout().flush();
        }
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line).map_err(|e| format!("cannot read a command: {e}"))?;
        let words = words(&line)?;
        match (read, words.first().map(|word| word.to_lowercase())) {
            (0, _) => return Ok(()),
            (_, None) => {}
            (_, Some(word)) if ["exit", "quit"].contains(&word.as_str()) => return Ok(()),
            (_, Some(_)) => match send(&mut connection, &words).await {
                Ok(answer) => println!("{}", shown(&answer, "")),
                Err(refusal) => println!("{refusal}"),
            },
        }
    }
}

async fn connect(options: &Options) -> Result<MultiplexedConnection, String> {
    let authority = match &options.certificate {
        Some(path) => std::fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?,
        None => String::new(),
    };
    let (mut cache, mut tls) = (Cache { authority, password: None }, options.certificate.is_some());
    if let Some(arn) = &options.secret {
        let aws =
            std::env::var("AWS_ENDPOINT_URL").map_err(|_| "--secret needs AWS_ENDPOINT_URL, where the secret is")?;
        let secret = secret::read(&aws, arn).await.map_err(|e| format!("cannot read {arn} at {aws}: {e}"))?;
        cache.password = secret["password"].as_str().map(str::to_owned);
        tls = secret["ssl"].to_string().contains("true");
        if tls && options.certificate.is_none() {
            return Err("the cache is reached over TLS: name its certificate with --certificate".to_owned());
        }
    }
    cache.connect(&options.endpoint, tls).await.map_err(|e| format!("cannot connect to {}: {e}", options.endpoint))
}

async fn send(connection: &mut MultiplexedConnection, words: &[String]) -> Result<Value, String> {
    let [name, arguments @ ..] = words else { return Ok(Value::Nil) };
    let answer = redis::cmd(name).arg(arguments).query_async::<Value>(connection).await;
    answer.map_err(|refusal| format!("(error) {refusal}"))
}

/// Words of a line; quotes hold them together.
fn words(line: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in line.chars() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, letter) if letter.is_whitespace() => words.extend(word.take()),
            (_, letter) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    if quote.is_some() { Err("a quotation mark is open at the end of the line".to_owned()) } else { Ok(words) }
}

/// An answer as valkey-cli shows it.
fn shown(answer: &Value, indent: &str) -> String {
    match answer {
        Value::Nil => "(nil)".to_owned(),
        Value::Int(number) => format!("(integer) {number}"),
        Value::Okay => "OK".to_owned(),
        Value::SimpleString(text) => text.clone(),
        Value::BulkString(bytes) => format!("\"{}\"", String::from_utf8_lossy(bytes)),
        Value::Array(items) | Value::Set(items) if items.is_empty() => "(empty array)".to_owned(),
        Value::Array(items) | Value::Set(items) => {
            let inner = format!("{indent}   ");
            let lines = items.iter().enumerate().map(|(index, item)| format!("{}) {}", index + 1, shown(item, &inner)));
            lines.collect::<Vec<_>>().join(&format!("\n{indent}"))
        }
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_at_blanks_outside_quotes() {
        assert_eq!(words("SET a 'b c' \"\"\n").unwrap(), ["SET", "a", "b c", ""]);
        assert_eq!(words("  \n").unwrap(), Vec::<String>::new());
        assert!(words("SET a 'b\n").is_err());
    }

    #[test]
    fn answers_look_as_in_other_clients() {
        let nested = Value::Array(vec![
            Value::BulkString(b"a".to_vec()),
            Value::Array(vec![Value::Int(1), Value::Nil]),
            Value::Okay,
        ]);
        assert_eq!(shown(&nested, ""), "1) \"a\"\n2) 1) (integer) 1\n   2) (nil)\n3) OK");
    }
}
