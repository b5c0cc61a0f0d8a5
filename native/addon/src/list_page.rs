//! Packs a page of a list into one buffer, so that a thousand rows cross to JavaScript as one object. Its reader is
//! `node/engine/list-page.ts`.
//!
//! ```text
//! row count u32 | prefix count u32 | next offset u32 | next length u32 (0xffffffff: there is no next page)
//! each row, 40 bytes:   key offset u32 | key length u16 | etag parts u16 | size u64 | last modified ms u64 | etag 16 bytes
//! each prefix, 8 bytes: offset u32 | length u32
//! bytes of all names; offsets count from here
//! ```

use openlake_object::ListPage;

/// "There is no next page", where the length of the next page's start would stand.
const NO_NEXT: u32 = u32::MAX;

/// The packed form. Names are at most 1,024 bytes and pages 1,000 entries, so no offset comes near 4 GiB.
pub fn pack_page(page: &ListPage) -> Vec<u8> {
    let mut names: Vec<u8> = Vec::new();
    let mut place = |name: &[u8]| {
        let offset = names.len() as u32;
        names.extend_from_slice(name);
        offset
    };
    let mut buffer = Vec::with_capacity(16 + 40 * page.rows.len() + 8 * page.prefixes.len());
    buffer.extend_from_slice(&(page.rows.len() as u32).to_le_bytes());
    buffer.extend_from_slice(&(page.prefixes.len() as u32).to_le_bytes());
    let next = page.next.as_deref();
    buffer.extend_from_slice(&place(next.unwrap_or_default()).to_le_bytes());
    buffer.extend_from_slice(&next.map_or(NO_NEXT, |name| name.len() as u32).to_le_bytes());
    for row in &page.rows {
        buffer.extend_from_slice(&place(&row.key).to_le_bytes());
        buffer.extend_from_slice(&(row.key.len() as u16).to_le_bytes());
        buffer.extend_from_slice(&row.etag_parts.to_le_bytes());
        buffer.extend_from_slice(&row.size.to_le_bytes());
        buffer.extend_from_slice(&row.last_modified_ms.to_le_bytes());
        buffer.extend_from_slice(&row.etag);
    }
    for prefix in &page.prefixes {
        buffer.extend_from_slice(&place(prefix).to_le_bytes());
        buffer.extend_from_slice(&(prefix.len() as u32).to_le_bytes());
    }
    buffer.extend_from_slice(&names);
    buffer
}

#[cfg(test)]
mod tests {
    use super::pack_page;
    use openlake_object::{ListPage, ListRow};

    #[test]
    fn a_page_packs_to_the_bytes_that_the_reader_expects() {
        let row = ListRow {
            key: "a/é".into(),
            size: 5,
            etag: [7; 16],
            etag_parts: 3,
            last_modified_ms: 1_700_000_000_000,
        };
        let page = ListPage {
            rows: vec![row],
            prefixes: vec!["b/".into()],
            next: Some("b/".into()),
        };
        let hex: String = pack_page(&page).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "01000000010000000000000002000000\
             02000000040003000500000000000000\
             0068e5cf8b01000007070707070707070707070707070707\
             0600000002000000\
             622f612fc3a9622f"
        );
    }
}
