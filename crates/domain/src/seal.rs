//! Texts that go to a stranger and come back, and that nobody else can read, make or change: encrypted with a
//! stream that comes from a nonce, then authenticated together with what they are about. Made of HMAC-SHA-256
//! alone, with one key for each of the two.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::digest::{hex, unhex};

/// Bytes of a secret.
pub const SECRET_BYTES: usize = 32;
/// Bytes of a nonce. They are drawn by chance: with so many no two are ever the same.
pub const NONCE_BYTES: usize = 16;
const TAG_BYTES: usize = 16;

/// Seals texts and opens them again.
pub struct Seal {
    encrypting: Hmac<Sha256>,
    authenticating: Hmac<Sha256>,
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

impl Seal {
    /// The seal of this secret, which is kept in hexadecimal; nothing where it is none.
    pub fn of(secret: &str) -> Option<Self> {
        let secret = unhex(secret).filter(|bytes| bytes.len() == SECRET_BYTES)?;
        let key = |purpose: &[u8]| keyed(&secret).chain_update(purpose).finalize().into_bytes();
        Some(Self {
            encrypting: keyed(&key(b"encrypt")),
            authenticating: keyed(&key(b"authenticate")),
        })
    }

    /// The content as hexadecimal digits that say nothing but its length. It opens only with the same words
    /// about it. The nonce must be a new one.
    pub fn seal(&self, nonce: [u8; NONCE_BYTES], about: &[&str], content: &[u8]) -> String {
        let mut sealed = nonce.to_vec();
        sealed.extend_from_slice(content);
        self.encrypt(&nonce, &mut sealed[NONCE_BYTES..]);
        let tag = self.authenticator(about, &sealed).finalize().into_bytes();
        sealed.extend_from_slice(&tag[..TAG_BYTES]);
        hex(&sealed)
    }

    /// The content of what was sealed with this secret and these words; nothing of anything else.
    pub fn open(&self, about: &[&str], sealed: &str) -> Option<Vec<u8>> {
        let sealed = unhex(sealed)?;
        let (rest, tag) = sealed.split_at_checked(sealed.len().checked_sub(TAG_BYTES)?)?;
        let (nonce, encrypted) = rest.split_at_checked(NONCE_BYTES)?;
        // Compares in a time that does not depend on where they differ.
        self.authenticator(about, rest).verify_truncated_left(tag).ok()?;
        let mut content = encrypted.to_vec();
        self.encrypt(nonce, &mut content);
        Some(content)
    }

    /// Encrypts, or decrypts: the same.
    fn encrypt(&self, nonce: &[u8], bytes: &mut [u8]) {
        for (block, number) in bytes.chunks_mut(SECRET_BYTES).zip(0_u64..) {
            let stream = self.encrypting.clone().chain_update(nonce);
            let stream = stream.chain_update(number.to_be_bytes()).finalize().into_bytes();
            block
                .iter_mut()
                .zip(stream)
                .for_each(|(byte, other)| *byte ^= other);
        }
    }

    fn authenticator(&self, about: &[&str], sealed: &[u8]) -> Hmac<Sha256> {
        let parts = about.iter().map(|text| text.as_bytes()).chain([sealed]);
        // Each with its length, so that no two lists of parts read the same.
        parts.fold(self.authenticating.clone(), |mac, part| {
            mac.chain_update((part.len() as u64).to_be_bytes())
                .chain_update(part)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seal(first: &str) -> Seal {
        Seal::of(&format!("{first}{}", "5a".repeat(31))).unwrap()
    }

    #[test]
    fn only_secrets_of_the_right_form_seal() {
        for wrong in [
            String::new(),
            "5a".repeat(31),
            "5a".repeat(33),
            "xy".repeat(32),
            "5".repeat(63),
        ] {
            assert!(Seal::of(&wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn what_was_not_sealed_here_does_not_open() {
        let (here, there) = (seal("01"), seal("02"));
        let sealed = here.seal([7; NONCE_BYTES], &["a", "bc"], b"where we are");
        assert_eq!(here.open(&["a", "bc"], &sealed).unwrap(), b"where we are");
        for about in [&["ab", "c"][..], &["a"], &["a", "bc", ""], &["bc", "a"], &[]] {
            assert!(here.open(about, &sealed).is_none(), "{about:?}");
        }
        assert!(there.open(&["a", "bc"], &sealed).is_none());
        for wrong in [
            "",
            "00",
            "zz",
            "ä",
            &sealed[2..],
            &sealed[..sealed.len() - 2],
            &"0".repeat(sealed.len()),
        ] {
            assert!(here.open(&["a", "bc"], wrong).is_none(), "{wrong}");
        }
        // Every bit counts.
        let bytes = unhex(&sealed).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(here.open(&["a", "bc"], &hex(&changed)).is_none(), "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_and_shows_nothing(content: Vec<u8>, nonce: [u8; NONCE_BYTES], about: String) {
            let seal = seal("01");
            let sealed = seal.seal(nonce, &[&about], &content);
            prop_assert_eq!(sealed.len(), 2 * (NONCE_BYTES + content.len() + TAG_BYTES));
            prop_assert!(content.len() < 8 || !sealed.contains(&hex(&content)));
            let mut other = nonce;
            other[0] ^= 1;
            prop_assert_ne!(&seal.seal(other, &[&about], &content), &sealed);
            prop_assert_eq!(seal.open(&[&about], &sealed), Some(content));
        }
    }
}
