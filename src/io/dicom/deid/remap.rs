//! New identifiers and pseudonyms: the same old one always becomes the same new one, and only the key leads from one to
//! the other. Private to `io::dicom`.

use super::super::write::uid_from_bits;
use sha2::{Digest, Sha256};

/// Bytes of a block of SHA-256.
const BLOCK: usize = 64;
/// Identifiers of classes, transfer syntaxes and other registered things; they name no one.
const REGISTERED: &str = "1.2.840.10008.";

/// The key of one export, or of several that are to fit together.
#[derive(Clone)]
pub struct DeidKey([u8; BLOCK]);

impl DeidKey {
    /// A key that nobody knows and that is forgotten with this value.
    pub fn random() -> Self {
        let halves: [u128; 2] = [rand::random(), rand::random()];
        Self::from_secret(&[halves[0].to_le_bytes(), halves[1].to_le_bytes()].concat())
    }

    /// A key from a secret that is kept elsewhere, so that later exports give the same identifiers.
    pub fn from_secret(secret: &[u8]) -> Self {
        let mut key = [0; BLOCK];
        if secret.len() <= BLOCK {
            key[..secret.len()].copy_from_slice(secret);
        } else {
            key[..32].copy_from_slice(&Sha256::digest(secret));
        }
        Self(key)
    }

    /// HMAC-SHA-256 (RFC 2104) of a text, its first 128 bits.
    fn hash(&self, text: &str) -> u128 {
        let pad = |with: u8| self.0.map(|b| b ^ with);
        let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
        let outer = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
        outer.iter().take(16).fold(0, |bits, b| bits << 8 | u128::from(*b))
    }

    /// The identifier that takes the place of `uid`. Registered ones stay.
    pub(super) fn uid(&self, uid: &str) -> String {
        if uid.is_empty() || uid.starts_with(REGISTERED) {
            return uid.to_owned();
        }
        uid_from_bits(self.hash(&format!("uid {uid}")), 8)
    }

    /// What takes the place of a person's identity.
    pub(super) fn pseudonym(&self, identity: &str) -> String {
        format!("ANON-{:012X}", self.hash(&format!("person {identity}")) >> 80)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_standard() {
        // RFC 4231, test cases 1, 2 and 6: the last one's key is longer than a block.
        let hash = |key: &[u8], text: &str| format!("{:032x}", DeidKey::from_secret(key).hash(text));
        assert_eq!(hash(&[0x0b; 20], "Hi There"), "b0344c61d8db38535ca8afceaf0bf12b");
        assert_eq!(hash(b"Jefe", "what do ya want for nothing?"), "5bdcc146bf60754e6a042426089575c7");
        assert_eq!(
            hash(&[0xaa; 131], "Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f"
        );
    }

    #[test]
    fn identifiers_are_stable_legal_and_depend_on_the_key() {
        let (a, b) = (DeidKey::from_secret(b"one"), DeidKey::random());
        let uid = a.uid("1.2.3.4");
        assert_eq!(uid, a.clone().uid("1.2.3.4"));
        assert!(uid != b.uid("1.2.3.4") && uid != a.uid("1.2.3.5"));
        assert!(uid.starts_with("2.25.") && uid.len() <= 64);
        assert_eq!(a.uid("1.2.840.10008.5.1.4.1.1.2"), "1.2.840.10008.5.1.4.1.1.2");
        assert_eq!((a.uid(""), a.pseudonym("x").len()), (String::new(), 17));
    }
}
