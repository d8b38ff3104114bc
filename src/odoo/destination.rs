//! Where the bridge never connects to, whatever `ODOO_URL` says: link-local
//! addresses and those of clouds' metadata services, which give a machine's
//! credentials to whoever asks. Loopback and private networks are fine, for Odoo
//! usually is there.
//!
//! A host that is an address is judged when the settings are read. A name is looked
//! up once for each connection, and the addresses that were judged are those that
//! are connected to: a name that leads elsewhere a moment later gains nothing.

use std::error::Error;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::Name;

/// Metadata services outside of the link-local ranges: Alibaba, Azure, Oracle.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];
/// Those of AWS (more than one in this network), Google and Scaleway.
const METADATA_V6: [(Ipv6Addr, u32); 3] = [
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), 128),
    (Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42), 128),
];

/// The address, or all addresses of the name, are none for the bridge.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a link-local or cloud metadata address")]
pub struct Forbidden;

impl Forbidden {
    /// Whether it is why something failed.
    #[must_use]
    pub fn is_behind(error: &(dyn Error + 'static)) -> bool {
        error.is::<Self>() || error.source().is_some_and(Self::is_behind)
    }
}

/// Judges an address as it stands in the settings. What it says comes after the
/// setting's name.
///
/// # Errors
/// Why there can be no Odoo.
pub fn check(url: &reqwest::Url) -> Result<(), String> {
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("must begin with http:// or https://".into());
    }
    if url.port() == Some(0) {
        return Err("must not have the port 0".into());
    }
    // In whatever way it is written: the parser has made the usual one of it.
    let host = url.host_str().unwrap_or_default();
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    if host.parse().is_ok_and(is_forbidden) {
        return Err(format!("must not be {Forbidden}, to which the bridge never connects"));
    }
    Ok(())
}

fn is_forbidden(address: IpAddr) -> bool {
    let v4 = |address: Ipv4Addr| address.is_link_local() || METADATA_V4.contains(&address);
    match address {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => {
            address.is_unicast_link_local()
                || METADATA_V6
                    .iter()
                    .any(|(network, length)| (address.to_bits() ^ network.to_bits()).leading_zeros() >= *length)
                || v4_within(address).is_some_and(v4)
        }
    }
}

/// The IPv4 address to which this one leads in the end.
fn v4_within(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        // Mapped, compatible, translated, and by NAT64.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        // 6to4.
        | [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

type Lookup<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What knows the addresses of names.
pub(super) type Names = dyn Fn(String) -> Lookup<io::Result<Vec<IpAddr>>> + Send + Sync;

/// Looks names up, and keeps forbidden addresses back.
#[derive(Clone)]
pub struct Resolver(Arc<Names>);

impl Resolver {
    /// By the system.
    #[must_use]
    pub fn of_the_system() -> Self {
        Self::new(|name| {
            Box::pin(async move {
                let found = tokio::net::lookup_host((name, 0)).await?;
                Ok(found.map(|address| address.ip()).collect())
            })
        })
    }

    pub(super) fn new(names: impl Fn(String) -> Lookup<io::Result<Vec<IpAddr>>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(names))
    }

    /// Those that may be connected to. Some may be left out: in a local network a
    /// name often has a link-local address besides its own.
    async fn look_up(self, name: String) -> Result<std::vec::IntoIter<SocketAddr>, Box<dyn Error + Send + Sync>> {
        let mut found = (self.0)(name).await?;
        let any = !found.is_empty();
        found.retain(|address| !is_forbidden(*address));
        if any && found.is_empty() {
            return Err(Forbidden.into());
        }
        // The port 0 stands for that of the URL.
        let found: Vec<_> = found.into_iter().map(|address| SocketAddr::new(address, 0)).collect();
        Ok(found.into_iter())
    }
}

/// For calls.
impl tower::Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Lookup<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(self.clone().look_up(name.as_str().to_owned()))
    }
}

/// For questions.
impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let found = self.clone().look_up(name.as_str().to_owned());
        Box::pin(async move { Ok(Box::new(found.await?) as reqwest::dns::Addrs) })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use clap::Parser as _;

    use super::*;
    use crate::config::{Cli, OdooSettings};
    use crate::demo_odoo::{self, DemoOdoo};
    use crate::error::{AppError, ErrorCode};
    use crate::odoo::client::{no_args, no_kwargs};
    use crate::odoo::{Call, Limits, Odoo, OdooError, Party, Way};

    const FORBIDDEN: [&str; 18] = [
        "169.254.0.0",
        "169.254.169.254",
        "169.254.170.2",
        "169.254.255.255",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fe80::",
        "fe80::a9fe:a9fe",
        "febf:ffff::1",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "::ffff:0:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "2002:a9fe:a9fe::1",
    ];
    const FINE: [&str; 14] = [
        "127.0.0.1",
        "10.0.0.7",
        "172.16.0.1",
        "192.168.1.20",
        "100.100.100.201",
        "169.253.255.255",
        "169.255.0.0",
        "203.0.113.5",
        "::1",
        "fc00::1",
        "fd00:ec3::254",
        "fec0::1",
        "::ffff:127.0.0.1",
        "2001:db8::1",
    ];

    #[test]
    fn an_address_of_the_link_or_of_a_metadata_service_is_refused_and_private_ones_are_not() {
        for text in FORBIDDEN {
            assert!(is_forbidden(text.parse().expect(text)), "{text}");
        }
        for text in FINE {
            assert!(!is_forbidden(text.parse().expect(text)), "{text}");
        }
    }

    fn checked(url: &str) -> Result<(), String> {
        check(&url.parse().expect("an address"))
    }

    #[test]
    fn an_address_in_the_settings_is_judged_in_whatever_way_it_is_written() {
        for host in [
            "169.254.169.254",
            "169.254.43518",
            "2852039166",
            "0xA9FEA9FE",
            "0251.0376.0251.0376",
            "[::ffff:169.254.169.254]",
            "[::ffff:a9fe:a9fe]",
            "[fe80::1]",
            "[fd00:ec2::254]",
        ] {
            let refused = checked(&format!("http://{host}:8069")).expect_err(host);
            assert!(refused.contains("link-local or cloud metadata address"), "{refused}");
        }
        assert_eq!(
            checked("https://odoo.example.com:0"),
            Err("must not have the port 0".into())
        );
        assert!(checked("ftp://odoo.example.com").is_err());
        for fine in ["http://localhost:8069", "https://10.0.0.7", "http://[::1]:8069/odoo"] {
            assert_eq!(checked(fine), Ok(()), "{fine}");
        }
    }

    /// An Odoo whose host is a name that only `names` knows.
    fn odoo(url: &str, way: Way, resolver: Resolver) -> Odoo {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let settings = OdooSettings {
            url: url.into(),
            db: demo_odoo::DB.into(),
            username: demo_odoo::USERNAME.into(),
            password: None,
            api_key: Some(demo_odoo::API_KEY.into()),
            way: Some(way),
        };
        let limits = Limits::from(&Cli::parse_from(["odoo-bridge"]).settings);
        Odoo::with_resolver(settings, limits, resolver).expect("a way to Odoo")
    }

    /// Names that lead to these addresses, one list for each time that they are asked.
    fn answers(lists: &'static [&'static [&'static str]]) -> (Resolver, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let times = Arc::clone(&asked);
        let resolver = Resolver::new(move |name| {
            assert!(name.ends_with(".example"), "{name}");
            let list = lists[times.fetch_add(1, Ordering::Relaxed).min(lists.len() - 1)];
            Box::pin(async move { Ok(list.iter().map(|text| text.parse().expect("an address")).collect()) })
        });
        (resolver, asked)
    }

    /// By JSON-2 a call is one request, and a question is another.
    async fn call(odoo: &Odoo) -> Result<(), OdooError> {
        let call = Call {
            model: "res.users",
            method: "context_get",
            args: no_args(),
            kwargs: no_kwargs(),
        };
        let answer = odoo.execute(call, Party::BRIDGE, None).await;
        answer.map(drop).map_err(|unanswered| unanswered.error)
    }

    async fn demo() -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        tokio::spawn(demo_odoo::serve(listener, DemoOdoo::new(), std::future::pending()));
        format!("http://odoo.example:{port}")
    }

    #[tokio::test]
    async fn a_name_that_leads_to_a_forbidden_address_is_told_as_such_by_calls_and_by_questions() {
        for scheme in ["http", "https"] {
            let (resolver, _) = answers(&[&["169.254.169.254"], &["fe80::1", "fd00:ec2::254"]]);
            let odoo = odoo(&format!("{scheme}://metadata.example"), Way::Json2, resolver);
            let called = call(&odoo).await.expect_err("not connected");
            let asked = odoo.version().await.expect_err("not connected");
            for error in [called, asked] {
                let error = AppError::from(error);
                assert_eq!(error.code, ErrorCode::OdooUnreachable);
                assert!(
                    error.message.contains("link-local or cloud metadata address"),
                    "{error}"
                );
                assert!(!error.message.contains("169.254"), "{error}");
            }
        }
    }

    #[tokio::test]
    async fn a_name_is_looked_up_once_for_each_connection_and_judged_each_time() {
        let url = demo().await;
        let (resolver, asked) = answers(&[&["127.0.0.1"], &["127.0.0.1"], &["169.254.169.254"]]);
        let odoo = odoo(&url, Way::Json2, resolver);
        call(&odoo).await.expect("an answer");
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        odoo.version().await.expect("an answer");
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        for error in [
            call(&odoo).await.expect_err("it leads elsewhere now"),
            odoo.version().await.expect_err("it leads elsewhere now"),
        ] {
            assert!(error.to_string().contains("link-local"), "{error}");
        }
    }

    #[tokio::test]
    async fn of_several_addresses_only_the_others_are_connected_to() {
        let (resolver, _) = answers(&[&["fe80::1", "169.254.169.254", "127.0.0.1"]]);
        let odoo = odoo(&demo().await, Way::Json2, resolver);
        call(&odoo).await.expect("an answer");
        odoo.version().await.expect("an answer");
    }

    #[test]
    fn no_way_is_prepared_to_a_forbidden_address() {
        let settings = OdooSettings {
            url: "http://169.254.169.254".into(),
            db: "db".into(),
            username: "user".into(),
            password: Some("secret".into()),
            api_key: None,
            way: None,
        };
        let limits = Limits::from(&Cli::parse_from(["odoo-bridge"]).settings);
        let refused = Odoo::new(settings, limits).err().expect("refused");
        assert!(
            refused.to_string().starts_with("ODOO_URL: must not be a link-local"),
            "{refused}"
        );
    }
}
