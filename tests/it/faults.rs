//! A way to Odoo, or to any server, that fails in all the ways that networks do.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

/// What it does to connections, also to those that are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it passes everything on.
    None,
    /// Nobody listens: the connection is refused (ECONNREFUSED).
    NoListener,
    /// Takes connections and closes them at once, without a byte.
    Refused,
    /// Closes with a reset as soon as a request came.
    Reset,
    /// The same once; then nothing any more.
    ResetOnce,
    /// Takes everything and says nothing.
    BlackHole,
    /// One byte of the answer in 100 ms.
    SlowBytes,
    /// The first 40 bytes of an answer, then the end.
    HalfAnswer,
    /// So many bytes of a request, then the end.
    CutRequest(usize),
    /// So many bytes of an answer, then the end.
    CutAnswer(usize),
    /// Bytes that are no HTTP.
    Garbage,
    /// A login page of some proxy, with status 200.
    HtmlPage,
    /// 502 of some proxy.
    BadGateway,
}

impl Fault {
    pub const ALL: [Self; 9] = [
        Self::NoListener,
        Self::Refused,
        Self::Reset,
        Self::BlackHole,
        Self::SlowBytes,
        Self::HalfAnswer,
        Self::Garbage,
        Self::HtmlPage,
        Self::BadGateway,
    ];
}

const HTML: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 28\r\n\r\n<html>Please log in.</html>\n";
const BAD_GATEWAY: &[u8] =
    b"HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-length: 12\r\n\r\nBad Gateway\n";

/// See the module.
pub struct Faulty {
    port: u16,
    fault: watch::Sender<Fault>,
}

impl Faulty {
    /// To a server on this machine.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let own = listener.local_addr().expect("its address").port();
        let (fault, _) = watch::channel(Fault::None);
        let faults = fault.clone();
        tokio::spawn(async move {
            let (mut listener, mut fault) = (listener, faults.subscribe());
            loop {
                tokio::select! {
                    accepted = listener.accept() => match accepted {
                        Ok((near, _)) => { tokio::spawn(pass(near, port, faults.clone())); }
                        Err(_) => return,
                    },
                    _ = comes(&mut fault, |fault| fault == Fault::NoListener) => {
                        drop(listener);
                        // Nobody else takes the port meanwhile.
                        let kept = TcpSocket::new_v4().expect("a socket");
                        kept.set_reuseaddr(true).expect("set");
                        kept.bind(([127, 0, 0, 1], own).into()).expect("its port");
                        if !comes(&mut fault, |fault| fault != Fault::NoListener).await {
                            return;
                        }
                        listener = kept.listen(1_024).expect("it listens again");
                    }
                }
            }
        });
        Self { port: own, fault }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What happens from now on, also to connections that are open.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

/// Waits for such a fault; `false` if none is set any more.
async fn comes(fault: &mut watch::Receiver<Fault>, wanted: impl Fn(Fault) -> bool) -> bool {
    fault.wait_for(|fault| wanted(*fault)).await.is_ok()
}

async fn pass(mut near: TcpStream, port: u16, faults: watch::Sender<Fault>) {
    let mut fault = faults.subscribe();
    let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    let mut passed = 0;
    loop {
        let now = *fault.borrow_and_update();
        if matches!(now, Fault::Refused | Fault::NoListener) {
            return;
        }
        tokio::select! {
            _ = fault.changed() => passed = 0,
            read = near.read(&mut asked) => match read {
                Ok(0) | Err(_) => return,
                Ok(length) => match now {
                    Fault::None | Fault::SlowBytes | Fault::HalfAnswer | Fault::CutAnswer(_) => {
                        if far.write_all(&asked[..length]).await.is_err() {
                            return;
                        }
                    }
                    Fault::CutRequest(most) => {
                        let cut = length.min(most - passed);
                        let _ = far.write_all(&asked[..cut]).await;
                        passed += cut;
                        if passed >= most {
                            return;
                        }
                    }
                    Fault::Reset | Fault::ResetOnce => {
                        faults.send_if_modified(|fault| {
                            let once = *fault == Fault::ResetOnce;
                            if once {
                                *fault = Fault::None;
                            }
                            once
                        });
                        let _ = near.set_zero_linger();
                        return;
                    }
                    Fault::Garbage => {
                        let _ = near.write_all(b"\x00\xff\x13 this is no HTTP\r\n\r\n").await;
                        return;
                    }
                    Fault::HtmlPage => {
                        if near.write_all(HTML).await.is_err() {
                            return;
                        }
                    }
                    Fault::BadGateway => {
                        if near.write_all(BAD_GATEWAY).await.is_err() {
                            return;
                        }
                    }
                    Fault::BlackHole | Fault::Refused | Fault::NoListener => {}
                },
            },
            read = far.read(&mut answered) => match (read, now) {
                (Ok(0) | Err(_), _) => return,
                (Ok(length), Fault::SlowBytes) => {
                    for byte in &answered[..length] {
                        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                        if *fault.borrow() != Fault::SlowBytes || near.write_all(&[*byte]).await.is_err() {
                            return;
                        }
                    }
                }
                (Ok(length), Fault::HalfAnswer | Fault::CutAnswer(_)) => {
                    let most = if let Fault::CutAnswer(most) = now { most } else { 40 };
                    let cut = length.min(most - passed);
                    let _ = near.write_all(&answered[..cut]).await;
                    passed += cut;
                    if passed >= most {
                        return;
                    }
                }
                (Ok(length), _) => {
                    if near.write_all(&answered[..length]).await.is_err() {
                        return;
                    }
                }
            },
        }
    }
}
