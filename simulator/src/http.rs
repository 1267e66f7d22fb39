//! Loopback HTTP server around the gateway.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::LocalAws;

/// How often things that are due happen without a call. Real time: it only has to look continuous.
const TICK: Duration = Duration::from_millis(20);

/// A running server; it and all its connections end when this is dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    // Dropping the set aborts its tasks.
    _tasks: JoinSet<()>,
}

impl Server {
    /// The URL for `AWS_ENDPOINT_URL` or `--endpoint-url`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Serves `aws` at `addr`; port 0 takes a free one.
pub async fn serve(aws: LocalAws, addr: SocketAddr) -> io::Result<Server> {
    let listener = TcpListener::bind(addr).await?;
    let address = listener.local_addr()?;
    let mut tasks = JoinSet::new();
    tasks.spawn(tick(aws.clone()));
    tasks.spawn(accept(aws, listener));
    Ok(Server { address, _tasks: tasks })
}

async fn tick(aws: LocalAws) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        aws.with(|_, _| ());
    }
}

async fn accept(aws: LocalAws, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(connection(aws.clone(), stream))),
                Err(error) => {
                    // Out of file descriptors, most likely: accepting again at once would spin.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(TICK).await;
                },
            },
            Some(_) = connections.join_next() => {},
        }
    }
}

async fn connection(aws: LocalAws, stream: TcpStream) {
    let service = service_fn(move |request| answer(aws.clone(), request));
    // An error here is the client going away, or a planned cut.
    if let Err(error) = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
    {
        tracing::debug!(%error, "connection ended");
    }
}

async fn answer(aws: LocalAws, request: http::Request<Incoming>) -> io::Result<http::Response<Full<Bytes>>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    // An error from a hyper service closes the connection without an answer, which is what a cut is.
    let response = aws.handle(http::Request::from_parts(parts, body)).await.map_err(io::Error::other)?;
    Ok(response.map(Full::new))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::faults::{Fault, Kind};

    async fn exchange(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let body = "Action=DescribeVpcs";
        let request = format!(
            "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\nauthorization: \
             AWS4-HMAC-SHA256 Credential=K/20261101/us-east-1/ec2/aws4_request\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        // A reset is an end like any other here.
        let _ = stream.read_to_string(&mut response).await;
        response
    }

    #[tokio::test]
    async fn the_server_answers_cuts_and_ends() {
        let aws = LocalAws::new(1.0, None);
        let server = serve(aws.clone(), (Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        assert!(server.endpoint().starts_with("http://127.0.0.1:"));
        assert!(exchange(server.address).await.starts_with("HTTP/1.1 200 OK"));
        aws.fault(Fault::on("DescribeVpcs", 1, Kind::CutAfter));
        assert_eq!(exchange(server.address).await, "");
        let address = server.address;
        drop(server);
        tokio::task::yield_now().await;
        assert!(TcpStream::connect(address).await.is_err());
    }
}
