//! A listener on loopback that terminates TLS and passes the connection on to a server.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::Tls;
use super::tls::Authority;

/// First byte of a TLS handshake record. No command of the cache protocol starts with it.
const TLS_HANDSHAKE: u8 = 0x16;

/// Where connections go, and how they may come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// Servers in turn; none closes every connection.
    pub(super) servers: Vec<SocketAddr>,
    /// Transport encryption.
    pub(super) tls: Tls,
    /// Password that lets every client in before it says anything.
    pub(super) admit_with: Option<String>,
}

impl Route {
    /// Nobody gets through.
    pub(super) const CLOSED: Route = Route { servers: Vec::new(), tls: Tls::Off, admit_with: None };

    fn allows(&self, encrypted: bool) -> bool {
        match self.tls {
            Tls::Off => !encrypted,
            Tls::Preferred => true,
            Tls::Required => encrypted,
        }
    }
}

/// One listener; it and its connections end when this is dropped.
pub(super) struct Endpoint {
    address: SocketAddr,
    route: watch::Sender<Route>,
    accepting: JoinHandle<()>,
}

impl Endpoint {
    /// Listens on a free port, closed for now.
    pub(super) async fn open(authority: &Authority) -> io::Result<Endpoint> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (route, routes) = watch::channel(Route::CLOSED);
        let accepting = tokio::spawn(accept(listener, routes, authority.acceptor().clone()));
        Ok(Endpoint { address, route, accepting })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on connections take this route. Those that came in a way that it does not allow are closed.
    pub(super) fn set(&self, route: Route) {
        self.route.send_if_modified(|current| {
            let changed = *current != route;
            *current = route;
            changed
        });
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, routes: watch::Receiver<Route>, acceptor: TlsAcceptor) {
    let mut connections = JoinSet::new();
    let mut turn = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                connections.spawn(serve(client, routes.clone(), acceptor.clone(), turn));
                turn += 1;
            }
            Some(ended) = connections.join_next() => {
                if let Ok(Err(error)) = ended {
                    tracing::debug!(%error, "connection to a cache ended");
                }
            }
        }
    }
}

async fn serve(
    client: TcpStream,
    routes: watch::Receiver<Route>,
    acceptor: TlsAcceptor,
    turn: usize,
) -> io::Result<()> {
    let route = routes.borrow().clone();
    let encrypted = match route.tls {
        Tls::Off => false,
        Tls::Required => true,
        Tls::Preferred => starts_with_handshake(&client).await?,
    };
    if route.servers.is_empty() {
        return Ok(());
    }
    let server = connect(route.servers[turn % route.servers.len()], route.admit_with.as_deref()).await?;
    client.set_nodelay(true)?;
    if encrypted {
        // A plain client fails here, as at a real endpoint: its first byte is no handshake.
        pass(acceptor.accept(client).await?, server, routes, encrypted).await
    } else {
        pass(client, server, routes, encrypted).await
    }
}

async fn starts_with_handshake(client: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    let read = client.peek(&mut first).await?;
    Ok(read == 1 && first[0] == TLS_HANDSHAKE)
}

/// Connects to a server, and logs in when everybody is let in.
///
/// A server has no mode in which a password is valid but not needed: a user without a password refuses AUTH. The caches
/// of AWS have it, between the first ROTATE and its SET (facts 3.6).
async fn connect(server: SocketAddr, admit_with: Option<&str>) -> io::Result<TcpStream> {
    let mut server = TcpStream::connect(server).await?;
    server.set_nodelay(true)?;
    if let Some(password) = admit_with {
        let auth = format!("*2\r\n$4\r\nAUTH\r\n${}\r\n{password}\r\n", password.len());
        server.write_all(auth.as_bytes()).await?;
        let mut reply = [0; 5];
        server.read_exact(&mut reply).await?;
        if reply != *b"+OK\r\n" {
            return Err(io::Error::other("the server does not accept the endpoint's own password"));
        }
    }
    Ok(server)
}

/// Passes bytes both ways until one side closes or the route stops allowing this kind of connection.
async fn pass(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    mut server: TcpStream,
    mut routes: watch::Receiver<Route>,
    encrypted: bool,
) -> io::Result<()> {
    tokio::select! {
        done = copy_bidirectional(&mut client, &mut server) => done.map(|_| ()),
        _ = routes.wait_for(|route| !route.allows(encrypted)) => Ok(()),
    }
}
