//! Reading a secret over the wire, as an application does.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use simulator::wire::credential::ADMINISTRATOR_KEY;
use simulator::world::REGION;
use tokio::net::TcpStream;

/// The JSON in a secret.
pub(crate) async fn read(endpoint: &str, secret_id: &str) -> Result<Value, String> {
    let address = endpoint.trim_start_matches("http://");
    let body = json!({"SecretId": secret_id}).to_string();
    // The local AWS reads caller and service from the signature and does not check it.
    let scope = format!("{ADMINISTRATOR_KEY}/20261101/{REGION}/secretsmanager/aws4_request");
    let request = Request::post("/")
        .header("host", address)
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "secretsmanager.GetSecretValue")
        .header("authorization", format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00"))
        .body(Full::new(Bytes::from(body)))
        .map_err(|e| e.to_string())?;
    let answer: Value = serde_json::from_slice(&send(address, request).await?).map_err(|e| e.to_string())?;
    let text = answer["SecretString"].as_str().ok_or_else(|| answer.to_string())?;
    serde_json::from_str(text).map_err(|e| format!("the secret is not JSON: {e}"))
}

async fn send(address: &str, request: Request<Full<Bytes>>) -> Result<Bytes, String> {
    let stream = TcpStream::connect(address).await.map_err(|e| e.to_string())?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    // Ends with the response, since the sender is dropped here.
    tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(|e| e.to_string())?;
    Ok(response.into_body().collect().await.map_err(|e| e.to_string())?.to_bytes())
}
