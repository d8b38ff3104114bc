//! The key itself: `obk_` + 8 base62 (the public id) + `_` + 32 base62 (the
//! secret) + 6 base62 (CRC-32/ISO-HDLC of all bytes before it). One way only:
//! a [`PlainKey`] becomes a [`KeyHash`], never the other way round.

use rand::RngExt as _;
use rand::distr::Alphanumeric;
use secrecy::zeroize::Zeroizing;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// What every key begins with.
pub(super) const MARK: &str = "obk_";
const PUBLIC_ID_LEN: usize = 8;
const SECRET_LEN: usize = 32;
const CHECKSUM_LEN: usize = 6;
/// Where the checksum begins.
const BODY_LEN: usize = MARK.len() + PUBLIC_ID_LEN + 1 + SECRET_LEN;
/// The length of a whole key, in bytes.
pub const KEY_LEN: usize = BODY_LEN + CHECKSUM_LEN;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

/// A whole key, of the right shape and checksum. Cannot be printed, and leaves the memory
/// with its owner.
pub struct PlainKey(Zeroizing<[u8; KEY_LEN]>);

impl PlainKey {
    /// Makes a new one: 190 random bits in the secret.
    #[must_use]
    pub fn generate() -> Self {
        // The thread's generator is a CSPRNG, seeded by the system.
        let mut random = rand::rng().sample_iter(Alphanumeric);
        let mut key = Zeroizing::new([b'_'; KEY_LEN]);
        key[..MARK.len()].copy_from_slice(MARK.as_bytes());
        for byte in &mut key[MARK.len()..MARK.len() + PUBLIC_ID_LEN] {
            *byte = random.next().expect("the generator never ends");
        }
        for byte in &mut key[MARK.len() + PUBLIC_ID_LEN + 1..BODY_LEN] {
            *byte = random.next().expect("the generator never ends");
        }
        let checksum = checksum(&key[..BODY_LEN]);
        key[BODY_LEN..].copy_from_slice(&checksum);
        Self(key)
    }

    /// Takes what a client presented; `None` if it can't be a key. Needs no
    /// database.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let key: Zeroizing<[u8; KEY_LEN]> = Zeroizing::new(text.try_into().ok()?);
        let shape = key.starts_with(MARK.as_bytes())
            && key[MARK.len() + PUBLIC_ID_LEN] == b'_'
            && key[MARK.len()..MARK.len() + PUBLIC_ID_LEN]
                .iter()
                .all(u8::is_ascii_alphanumeric)
            && key[MARK.len() + PUBLIC_ID_LEN + 1..]
                .iter()
                .all(u8::is_ascii_alphanumeric);
        (shape && key[BODY_LEN..] == checksum(&key[..BODY_LEN])).then_some(Self(key))
    }

    /// Its public part.
    #[must_use]
    pub fn public_id(&self) -> PublicId {
        let mut id = [0; PUBLIC_ID_LEN];
        id.copy_from_slice(&self.0[MARK.len()..MARK.len() + PUBLIC_ID_LEN]);
        PublicId(id)
    }

    /// What the database keeps of it.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        KeyHash(Sha256::digest(&self.0[..]).into())
    }

    /// The key's text, to be shown once to its maker.
    #[must_use]
    pub fn reveal(&self) -> String {
        String::from_utf8_lossy(&self.0[..]).into_owned()
    }
}

impl std::fmt::Debug for PlainKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PlainKey(..)")
    }
}

/// SHA-256 of a whole key. A slow hash is for passwords, not for 190 random bits.
#[derive(Clone)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// Takes what the database has.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// For the database.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Compares without telling by its duration how much is equal.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl std::fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyHash(..)")
    }
}

/// The eight characters by which a key is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublicId([u8; PUBLIC_ID_LEN]);

impl PublicId {
    /// Takes what the database has.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let id: [u8; PUBLIC_ID_LEN] = text.as_bytes().try_into().ok()?;
        id.iter().all(u8::is_ascii_alphanumeric).then_some(Self(id))
    }

    /// For the database.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only letters and digits get in")
    }

    /// As people see it: `obk_AbCd1234`.
    #[must_use]
    pub fn prefix(&self) -> String {
        format!("{MARK}{}", self.as_str())
    }
}

/// Six base62 digits, most significant first, padded with zeros.
fn checksum(body: &[u8]) -> [u8; CHECKSUM_LEN] {
    let mut rest = CRC.checksum(body);
    let mut digits = [b'0'; CHECKSUM_LEN];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    digits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_checksum_is_crc_32_iso_hdlc_in_base62() {
        // CRC-32/ISO-HDLC of "123456789" is 0xCBF43926 = 3421780262.
        let mut rest: u64 = 3_421_780_262;
        let mut digits = Vec::new();
        for _ in 0..6 {
            digits.insert(0, DIGITS[(rest % 62) as usize]);
            rest /= 62;
        }
        assert_eq!(checksum(b"123456789").to_vec(), digits);
        assert_eq!(checksum(b""), *b"000000");
    }

    #[test]
    fn a_new_key_has_the_contracts_shape() {
        let key = PlainKey::generate();
        let text = key.reveal();
        assert_eq!(text.len(), 51);
        assert_eq!(&text[..4], "obk_");
        assert_eq!(&text[12..13], "_");
        assert_eq!(key.public_id().prefix(), text[..12]);
        let parsed = PlainKey::parse(text.as_bytes()).expect("its own key parses");
        assert!(parsed.hash().matches(&key.hash()));
        assert_ne!(text, PlainKey::generate().reveal());
    }

    #[test]
    fn a_key_is_never_printed() {
        let key = PlainKey::generate();
        assert_eq!(format!("{key:?} {:?}", key.hash()), "PlainKey(..) KeyHash(..)");
    }

    proptest! {
        #[test]
        fn any_single_changed_byte_is_noticed(place in 0..KEY_LEN, byte: u8) {
            let mut text = PlainKey::generate().reveal().into_bytes();
            prop_assume!(text[place] != byte);
            text[place] = byte;
            prop_assert!(PlainKey::parse(&text).is_none());
        }

        #[test]
        fn foreign_bytes_are_no_key(bytes: Vec<u8>) {
            prop_assert!(PlainKey::parse(&bytes).is_none());
        }
    }
}
