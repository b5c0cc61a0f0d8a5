//! Decodes the tables that the control plane pushes down. The encoder is `node/engine/tables.ts`; both are held to
//! `test/fixtures/tables.bin` by their tests.
//!
//! All numbers little-endian; a text is its length in bytes (u32) and UTF-8.
//!
//! ```text
//! magic "OLTB" | format u16 = 1 | reserved u16 = 0 | version u64
//! limits: connections u32 | head_timeout_ms u32 | idle_timeout_ms u32 | control_body_bytes u32 | object_bytes u64
//! region text
//! identities: count u32, then each: access_key text | secret_key text
//! errors: count u32, then each: code text | status u16 | message text
//! error_template text
//! end "BTLO"
//! ```

use openlake_http::{Identity, Limits, Tables};

const MAGIC: &[u8] = b"OLTB";
const END: &[u8] = b"BTLO";
const FORMAT: u16 = 1;

/// Tables and the version that the control plane gave them, or what is wrong with the buffer and where.
pub fn decode_tables(buffer: &[u8]) -> Result<(u64, Tables), String> {
    let mut reader = Reader { buffer, offset: 0 };
    reader.expect(MAGIC)?;
    let format = reader.u16()?;
    if format != FORMAT {
        return Err(format!("tables of format {format}, expected {FORMAT}"));
    }
    reader.u16()?;
    let version = reader.u64()?;
    let limits = Limits {
        connections: reader.u32()?,
        head_timeout_ms: reader.u32()?,
        idle_timeout_ms: reader.u32()?,
        control_body_bytes: reader.u32()?,
        object_bytes: reader.u64()?,
    };
    let region = reader.text()?;
    let count = reader.u32()?;
    let mut identities = Vec::new();
    for _ in 0..count {
        identities.push(Identity {
            access_key: reader.text()?,
            secret_key: reader.text()?,
        });
    }
    let count = reader.u32()?;
    let mut errors = Vec::new();
    for _ in 0..count {
        errors.push((reader.text()?, reader.u16()?, reader.text()?));
    }
    let error_template = reader.text()?;
    reader.expect(END)?;
    Ok((
        version,
        Tables {
            region,
            identities,
            limits,
            errors,
            error_template,
        },
    ))
}

struct Reader<'buffer> {
    buffer: &'buffer [u8],
    offset: usize,
}

impl<'buffer> Reader<'buffer> {
    fn bytes(&mut self, length: usize) -> Result<&'buffer [u8], String> {
        let end = self.offset.checked_add(length);
        let Some(bytes) = end.and_then(|end| self.buffer.get(self.offset..end)) else {
            return Err(format!(
                "tables end at byte {}, expected {length} more after byte {}",
                self.buffer.len(),
                self.offset
            ));
        };
        self.offset += length;
        Ok(bytes)
    }
    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let offset = self.offset;
        self.bytes(N)?
            .try_into()
            .map_err(|_| format!("tables are cut off at byte {offset}"))
    }
    fn u16(&mut self) -> Result<u16, String> {
        self.array().map(u16::from_le_bytes)
    }
    fn u32(&mut self) -> Result<u32, String> {
        self.array().map(u32::from_le_bytes)
    }
    fn u64(&mut self) -> Result<u64, String> {
        self.array().map(u64::from_le_bytes)
    }
    fn text(&mut self) -> Result<String, String> {
        let length = self.u32()? as usize;
        let offset = self.offset;
        let bytes = self.bytes(length)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| format!("text at byte {offset} of the tables is not UTF-8"))
    }
    fn expect(&mut self, mark: &[u8]) -> Result<(), String> {
        let offset = self.offset;
        let seen = self.bytes(mark.len())?;
        if seen == mark {
            Ok(())
        } else {
            Err(format!("byte {offset} of the tables holds {seen:02x?}, expected {mark:02x?}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::decode_tables;

    const GOLDEN: &[u8] = include_bytes!("../../../test/fixtures/tables.bin");

    #[test]
    fn the_golden_buffer_decodes_to_what_the_fixture_says() {
        let (version, tables) = decode_tables(GOLDEN).expect("the golden buffer is valid");
        assert_eq!(version, 9_007_199_254_740_991);
        assert_eq!(tables.region, "eu-central-7");
        let keys: Vec<_> = tables
            .identities
            .iter()
            .map(|identity| (identity.access_key.as_str(), identity.secret_key.as_str()))
            .collect();
        assert_eq!(keys, [("AKIAFIRST", "secret/one+two="), ("second", "größer")]);
        let limits = &tables.limits;
        assert_eq!(
            (limits.connections, limits.head_timeout_ms, limits.idle_timeout_ms),
            (4096, 10_000, 75_000)
        );
        assert_eq!((limits.control_body_bytes, limits.object_bytes), (2_097_152, 5_497_558_138_880));
        assert_eq!(
            tables.errors,
            [
                ("NoSuchKey".to_owned(), 404, "No such key.".to_owned()),
                ("SlowDown".to_owned(), 503, "Later.".to_owned())
            ]
        );
        assert_eq!(tables.error_template, "<Error><Code>{code}</Code></Error>");
    }

    #[test]
    fn a_buffer_cut_anywhere_is_refused() {
        for length in 0..GOLDEN.len() {
            assert!(
                decode_tables(&GOLDEN[..length]).is_err(),
                "{length} of {} bytes were accepted",
                GOLDEN.len()
            );
        }
    }

    #[test]
    fn a_foreign_format_is_named() {
        let mut buffer = GOLDEN.to_vec();
        buffer[4] = 9;
        assert_eq!(decode_tables(&buffer).unwrap_err(), "tables of format 9, expected 1");
    }
}
