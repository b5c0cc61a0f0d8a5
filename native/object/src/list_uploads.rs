//! Pages of a bucket's uploads that are under way, in byte order of their objects' keys, then of their ids; common prefixes as for objects.
//!
//! A page is one of the records of uploads (see `upload`). Those of uploads that have ended lie there too until they are swept, so a page ends
//! early where it would pass over very many of them.

use crate::StoreError;
use crate::core::Core;
use crate::list::{Listing, Walk, common_prefix, walk};
use crate::multipart::upload_name;
use crate::set_cursor::{after, after_prefix};
use crate::store::{BucketView, ListPage, ListRow};
use crate::upload::{Upload, UploadState};
use bytes::{BufMut, Bytes, BytesMut};
use openlake_drive::{Head, Space};
use std::rc::Rc;

/// Instead of an upload's id: all uploads of a key, or under a prefix. No upload has this one.
const NO_ID: [u8; 16] = [0; 16];

/// The page behind [`crate::Store::list_uploads`]. `listing.after`: a place, as the page before named it.
pub(crate) async fn list_uploads(core: &Rc<Core>, bucket: BucketView, listing: &Listing<'_>) -> Result<ListPage, StoreError> {
    let rows = Walk {
        space: Space::Upload,
        start: start_of(listing),
        wanted: &is_under_way,
    };
    let page = walk(core, bucket, listing, &rows).await?;
    let next = page.next.map(|name| match page.prefixes.last() {
        Some(prefix) if *prefix == name => place(prefix, NO_ID),
        _ => name,
    });
    let row = |(name, head): (Bytes, Head)| {
        let (key, upload) = split(&name)?;
        Some(ListRow {
            key,
            size: 0,
            etag: upload,
            etag_parts: 0,
            last_modified_ms: begun_ms(&head),
        })
    };
    Ok(ListPage {
        rows: page.rows.into_iter().filter_map(row).collect(),
        prefixes: page.prefixes,
        next,
    })
}

/// A place in the list: behind an upload, or, without its id, behind all of a key or prefix.
fn place(key: &[u8], upload: [u8; 16]) -> Bytes {
    upload_name(key, upload).freeze()
}

/// Key and id of a record's name, or of a place.
fn split(name: &Bytes) -> Option<(Bytes, [u8; 16])> {
    let at = name.len().checked_sub(Space::Upload.suffix_bytes())?;
    let upload = name.get(at + 1..)?;
    Some((name.slice(..at), upload.try_into().ok()?))
}

/// Where the page starts; `None` if nothing can follow.
fn start_of(listing: &Listing<'_>) -> Option<Bytes> {
    let Some((key, upload)) = split(listing.after) else {
        return Some(listing.prefix.clone());
    };
    if upload != NO_ID {
        return Some(after(listing.after));
    }
    if common_prefix(&key, listing.prefix, listing.delimiter).is_some_and(|prefix| prefix == key) {
        return after_prefix(&key);
    }
    let mut behind = BytesMut::from(&key[..]);
    behind.put_u8(1);
    Some(behind.freeze())
}

fn is_under_way(head: &Head) -> bool {
    let state = Upload::of_head(head).map(|upload| upload.state);
    matches!(
        state,
        Ok(UploadState::Open | UploadState::Completing { .. } | UploadState::Aborting { .. })
    )
}

/// When the upload began, or was last changed by a Complete or Abort.
fn begun_ms(head: &Head) -> u64 {
    head.origin.time_ms()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_goes_on_behind_an_upload_a_key_or_a_prefix() {
        let start = |after: Bytes| {
            let prefix = Bytes::new();
            start_of(&Listing {
                prefix: &prefix,
                delimiter: b"/",
                after: &after,
                limit: 1,
            })
        };
        assert_eq!(start(Bytes::new()).as_deref(), Some(&b""[..]));
        let upload = place(b"a", [7; 16]);
        assert_eq!(start(upload.clone()), Some(after(&upload)));
        let all_of_a = start(place(b"a", NO_ID)).expect("a start");
        assert!(place(b"a", [255; 16]) < all_of_a && all_of_a < place(b"a!", [1; 16]));
        assert_eq!(start(place(b"a/", NO_ID)).as_deref(), Some(&b"a0"[..]));
    }
}
