//! The bridge's own key. It seals what must not be readable in a copy of the database,
//! and chains what was written down. It comes from the settings, or is made once in the
//! data directory; instances on one database need the same. What older keys sealed opens
//! while they are in the settings.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::{digest, hkdf, hmac};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};

use crate::config::{ConfigError, Settings};

/// The file in the data directory.
const FILE: &str = "secret.key";
const KEY_BYTES: usize = 32;

/// Seals, opens and chains; prints nothing of itself.
pub struct SealingKey {
    stored: LessSafeKey,
    chain: hmac::Key,
    id: String,
    /// Those that it took the place of.
    old: Vec<Self>,
}

impl SealingKey {
    /// The key in the settings, else the one in the data directory, which is made if
    /// there is none.
    ///
    /// # Errors
    /// When the setting is no key, or the file can't be read or made.
    pub fn open(settings: &Settings) -> Result<Self, ConfigError> {
        let mut key = match &settings.secret_key {
            Some(text) => Self::decode(text, "BRIDGE_SECRET_KEY")?,
            None => {
                let path = settings.data_dir.join(FILE);
                Self::decode(&read_or_make(&path)?, &path.display().to_string())?
            }
        };
        let old = settings.old_secret_keys.iter();
        key.old = old
            .map(|text| Self::decode(text, "BRIDGE_OLD_SECRET_KEYS"))
            .collect::<Result<_, _>>()?;
        Ok(key)
    }

    fn decode(text: &SecretString, origin: &str) -> Result<Self, ConfigError> {
        let bytes = STANDARD.decode(text.expose_secret().trim()).map(SecretSlice::from);
        match bytes {
            Ok(bytes) if bytes.expose_secret().len() == KEY_BYTES => Self::derive(bytes.expose_secret()),
            _ => Err(ConfigError(format!(
                "{origin} must be 32 bytes in base64. Make one with: openssl rand -base64 32"
            ))),
        }
    }

    /// One key for each purpose, so that none says anything of another.
    fn derive(secret: &[u8]) -> Result<Self, ConfigError> {
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"odoo-bridge").extract(secret);
        let failed = |_| ConfigError("The bridge's own key can't be derived.".into());
        let stored = root.expand(&[b"stored secrets"], &CHACHA20_POLY1305).map_err(failed)?;
        let chain = root.expand(&[b"audit chain"], hmac::HMAC_SHA256).map_err(failed)?;
        let id = digest::digest(&digest::SHA256, secret);
        Ok(Self {
            stored: LessSafeKey::new(UnboundKey::from(stored)),
            chain: hmac::Key::from(chain),
            id: STANDARD.encode(&id.as_ref()[..6]),
            old: Vec::new(),
        })
    }

    /// A word for the key that tells nothing of it: 8 characters.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// This key or an old one, by its word.
    #[must_use]
    pub fn called(&self, id: &str) -> Option<&Self> {
        std::iter::once(self).chain(&self.old).find(|key| key.id == id)
    }

    /// Seals `plain` for the place that `context` names; elsewhere it does not open.
    #[must_use]
    pub fn seal(&self, context: &str, plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut sealed = plain.to_vec();
        let mut out = nonce.to_vec();
        // Fails for plaintexts of many gigabytes only.
        let nonce = Nonce::assume_unique_for_key(nonce);
        if self
            .stored
            .seal_in_place_append_tag(nonce, Aad::from(context.as_bytes()), &mut sealed)
            .is_err()
        {
            sealed.clear();
        }
        out.append(&mut sealed);
        out
    }

    /// Opens what [`SealingKey::seal`] sealed for the same place, with this key or an old
    /// one; `None` if it was not, or by another key.
    #[must_use]
    pub fn unseal(&self, context: &str, sealed: &[u8]) -> Option<SecretSlice<u8>> {
        let mut keys = std::iter::once(self).chain(&self.old);
        keys.find_map(|key| key.unseal_alone(context, sealed))
    }

    fn unseal_alone(&self, context: &str, sealed: &[u8]) -> Option<SecretSlice<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut bytes = sealed.to_vec();
        let plain = self
            .stored
            .open_in_place(nonce, Aad::from(context.as_bytes()), &mut bytes)
            .ok()?;
        let length = plain.len();
        bytes.truncate(length);
        Some(bytes.into())
    }

    /// The seal of something that was written down.
    #[must_use]
    pub fn chain(&self, bytes: &[u8]) -> Vec<u8> {
        hmac::sign(&self.chain, bytes).as_ref().to_vec()
    }

    /// Whether `seal` is the one of `bytes`.
    #[must_use]
    pub fn is_chained(&self, bytes: &[u8], seal: &[u8]) -> bool {
        hmac::verify(&self.chain, bytes, seal).is_ok()
    }
}

fn read_or_make(path: &Path) -> Result<SecretString, ConfigError> {
    let failed = |error| {
        ConfigError(format!(
            "Can't read or make {} ({error}). Set BRIDGE_SECRET_KEY, or BRIDGE_DATA_DIR to a folder that is ours.",
            path.display()
        ))
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let key: [u8; KEY_BYTES] = rand::random();
    let text = SecretString::from(STANDARD.encode(key));
    // Written whole under another name first: whoever is as quick reads all of it or none.
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| {
            file.write_all(text.expose_secret().as_bytes())?;
            file.sync_all()
        })
        // Fails if the file is there: the first one stays.
        .and_then(|()| fs::hard_link(&draft, path));
    let _ = fs::remove_file(&draft);
    match made {
        Ok(()) => Ok(text),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            fs::read_to_string(path).map(SecretString::from).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use clap::Parser as _;

    use super::*;
    use crate::config::Cli;

    fn settings(args: &[&str]) -> Settings {
        Cli::try_parse_from([&["odoo-bridge"], args].concat())
            .expect("the arguments parse")
            .settings
    }

    #[test]
    fn a_key_is_made_once_for_its_owner_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let settings = settings(&["--data-dir", data.to_str().expect("UTF-8")]);
        let first = SealingKey::open(&settings).expect("made");
        let second = SealingKey::open(&settings).expect("read");
        assert_eq!(first.id(), second.id());
        let path = data.join(FILE);
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(&data).expect("a folder").count(), 1, "no draft is left");
        fs::write(&path, "nonsense").expect("written");
        assert!(SealingKey::open(&settings).is_err(), "a broken key is no new one");
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_in_its_place_only() {
        let key = SealingKey::derive(&[1; 32]).expect("a key");
        let sealed = key.seal("user 1", b"secret");
        let opened = |key: &SealingKey, context: &str, sealed: &[u8]| {
            key.unseal(context, sealed).map(|plain| plain.expose_secret().to_vec())
        };
        assert_eq!(opened(&key, "user 1", &sealed), Some(b"secret".to_vec()));
        assert_eq!(opened(&key, "user 2", &sealed), None);
        assert_eq!(
            opened(&SealingKey::derive(&[2; 32]).expect("a key"), "user 1", &sealed),
            None
        );
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert_eq!(opened(&key, "user 1", &changed), None, "byte {index}");
            assert_eq!(opened(&key, "user 1", &sealed[..index]), None, "{index} bytes");
        }
        assert_ne!(sealed, key.seal("user 1", b"secret"), "never the same twice");
    }
}
