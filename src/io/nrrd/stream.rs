//! Text and hexadecimal data as bytes.

use std::io::{self, BufRead, Read};

/// Decodes pairs of hexadecimal digits, skipping white space.
pub struct HexBytes<R>(pub R);

/// Decodes numbers in text, separated by white space or commas, as little-endian `f64`.
pub struct TextNumbers<R> {
    source: R,
    /// Bytes of the last number that did not fit the caller's buffer.
    left: Vec<u8>,
}

impl<R: BufRead> TextNumbers<R> {
    pub fn new(source: R) -> Self {
        Self { source, left: Vec::new() }
    }

    fn next_token(&mut self) -> io::Result<Vec<u8>> {
        let mut token = Vec::new();
        while let Some(byte) = next_byte(&mut self.source)? {
            let separator = byte.is_ascii_whitespace() || byte == b',';
            if separator && !token.is_empty() {
                break;
            }
            if !separator {
                token.push(byte);
            }
            if token.len() > 64 {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        Ok(token)
    }
}

fn next_byte(source: &mut impl BufRead) -> io::Result<Option<u8>> {
    let byte = source.fill_buf()?.first().copied();
    if byte.is_some() {
        source.consume(1);
    }
    Ok(byte)
}

impl<R: BufRead> Read for HexBytes<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut n = 0;
        while n < out.len() {
            let mut byte = 0;
            let mut digits = 0;
            while digits < 2 {
                let Some(c) = next_byte(&mut self.0)? else {
                    return if digits == 0 { Ok(n) } else { Err(io::ErrorKind::InvalidData.into()) };
                };
                if c.is_ascii_whitespace() {
                    continue;
                }
                let digit = char::from(c).to_digit(16).ok_or(io::ErrorKind::InvalidData)?;
                byte = byte << 4 | digit as u8;
                digits += 1;
            }
            out[n] = byte;
            n += 1;
        }
        Ok(n)
    }
}

impl<R: BufRead> Read for TextNumbers<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut n = 0;
        while n < out.len() {
            if self.left.is_empty() {
                let token = self.next_token()?;
                if token.is_empty() {
                    break;
                }
                let number = std::str::from_utf8(&token).ok().and_then(|t| t.parse::<f64>().ok());
                self.left = number.ok_or(io::ErrorKind::InvalidData)?.to_le_bytes().to_vec();
            }
            let take = self.left.len().min(out.len() - n);
            out[n..n + take].copy_from_slice(&self.left[..take]);
            self.left.drain(..take);
            n += take;
        }
        Ok(n)
    }
}
