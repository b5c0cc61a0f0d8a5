//! The record of a multipart upload: its state, and what the finished object will carry.
//!
//! It lives beside the final key (space `Upload`). Its metadata holds the object's pairs, followed by the upload's own, whose names start
//! with `openlake-upload-`: `state` (`open`, `completing`, `aborting`, `aborted`, `done`), and from `completing` on `write-id`, while `completing` or
//! `aborting` `since` (a ballot), and when `done` `size`, `etag`, `parts`, `origin`. While `completing` its payload is the manifest that was chosen;
//! otherwise it has none. Its ETag is random and new with every version, so that Complete and Abort race on it by If-Match.

use crate::StoreError;
use crate::get::{head, read_manifest};
use crate::locate::{Need, locate};
use crate::manifest::Manifest;
use crate::metadata::Metadata;
use crate::operation::Operation;
use crate::put::{Label, put_payload};
use crate::store::Condition;
use crate::version::ReadError;
use bytes::Bytes;
use openlake_drive::{Ballot, Head, WriteId};
use std::rc::Rc;

const PREFIX: &str = "openlake-upload-";

/// Where an upload stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UploadState {
    Open,
    /// A manifest was chosen; it is being published under this write id.
    Completing {
        write_id: WriteId,
        /// Promised for the object's key before anything was published under the write id.
        since: Ballot,
    },
    /// An Abort came while a manifest was being published; it finds out whether that succeeded. Nobody publishes it any more.
    Aborting {
        write_id: WriteId,
        since: Ballot,
    },
    Aborted,
    /// The object was published.
    Done {
        write_id: WriteId,
        size: u64,
        etag: [u8; 16],
        parts: u16,
        origin: Ballot,
    },
}

/// An upload as last read or written.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub state: UploadState,
    /// The object's own pairs.
    pub metadata: Metadata,
    etag: [u8; 16],
}

impl Upload {
    /// Reads the upload of `operation`'s key.
    pub async fn read(operation: &Rc<Operation>) -> Result<Upload, StoreError> {
        let head = match head(operation).await {
            Err(StoreError::NoSuchKey) => return Err(StoreError::NoSuchUpload),
            result => result?,
        };
        Upload::of_head(&head)
    }
    /// The upload of a record's head.
    pub fn of_head(head: &Head) -> Result<Upload, StoreError> {
        let all = Metadata::decode(&head.metadata);
        let Some(state) = decode_state(&all) else {
            let text = format!("the upload's record cannot be read: {:?}", all.pairs);
            return Err(StoreError::Unavailable(text));
        };
        let pairs = all.pairs.into_iter().filter(|(name, _)| !name.starts_with(PREFIX)).collect();
        Ok(Upload {
            state,
            metadata: Metadata { pairs },
            etag: head.etag,
        })
    }
    /// Writes a new upload.
    pub async fn create(operation: &Rc<Operation>, metadata: Metadata) -> Result<(), StoreError> {
        let upload = Upload {
            state: UploadState::Open,
            metadata,
            etag: [0; 16],
        };
        let nothing = Bytes::new();
        upload
            .write(operation, UploadState::Open, &nothing, &Condition::None)
            .await
            .map(drop)
    }
    /// Changes the state of just this version; `PreconditionFailed` if another change came first.
    pub async fn change(&self, operation: &Rc<Operation>, state: UploadState) -> Result<Upload, StoreError> {
        self.write(operation, state, &Bytes::new(), &self.unchanged()).await
    }
    /// The same to `completing`, with the manifest that was chosen.
    pub async fn choose(&self, operation: &Rc<Operation>, state: UploadState, manifest: &Manifest) -> Result<Upload, StoreError> {
        self.write(operation, state, &manifest.encode(), &self.unchanged()).await
    }
    /// The manifest that was chosen, of just this version; `ConditionalConflict` if it was changed meanwhile.
    pub async fn chosen(&self, operation: &Rc<Operation>) -> Result<Manifest, StoreError> {
        operation.restart_clock();
        match locate(operation, Need::Data { first: 0, count: 1 }).await? {
            Some(located) if located.head.etag == self.etag => match read_manifest(operation, located).await {
                Ok(manifest) => Ok(manifest),
                Err(ReadError::Vanished) => Err(StoreError::ConditionalConflict),
                Err(ReadError::Failed(error)) => Err(error),
            },
            _ => Err(StoreError::ConditionalConflict),
        }
    }
    /// The condition that this version is still there.
    pub fn unchanged(&self) -> Condition {
        Condition::Matches { etag: self.etag, parts: 0 }
    }

    async fn write(
        &self,
        operation: &Rc<Operation>,
        state: UploadState,
        payload: &Bytes,
        condition: &Condition,
    ) -> Result<Upload, StoreError> {
        let etag = operation.core.new_write_id().0;
        let mut pairs = self.metadata.pairs.clone();
        pairs.extend(
            encode_state(&state)
                .into_iter()
                .map(|(name, value)| (format!("{PREFIX}{name}"), value)),
        );
        let label = Label {
            etag,
            metadata: Metadata { pairs }.encode(),
            ..Label::default()
        };
        operation.restart_clock();
        put_payload(operation, operation.core.new_write_id(), payload, &label, condition).await?;
        Ok(Upload {
            state,
            metadata: self.metadata.clone(),
            etag,
        })
    }
}

fn encode_state(state: &UploadState) -> Vec<(&'static str, String)> {
    match state {
        UploadState::Open => vec![("state", "open".to_owned())],
        UploadState::Aborted => vec![("state", "aborted".to_owned())],
        UploadState::Completing { write_id, since } | UploadState::Aborting { write_id, since } => {
            let is_aborting = matches!(state, UploadState::Aborting { .. });
            vec![
                ("state", if is_aborting { "aborting" } else { "completing" }.to_owned()),
                ("write-id", hex(&write_id.0)),
                ("since", hex(&since.to_bytes())),
            ]
        }
        UploadState::Done {
            write_id,
            size,
            etag,
            parts,
            origin,
        } => vec![
            ("state", "done".to_owned()),
            ("write-id", hex(&write_id.0)),
            ("size", size.to_string()),
            ("etag", hex(etag)),
            ("parts", parts.to_string()),
            ("origin", hex(&origin.to_bytes())),
        ],
    }
}

fn decode_state(all: &Metadata) -> Option<UploadState> {
    let value = |name: &str| all.get(&format!("{PREFIX}{name}"));
    let bytes = |name: &str| value(name).and_then(unhex);
    Some(match value("state")? {
        "open" => UploadState::Open,
        "aborted" => UploadState::Aborted,
        "completing" => UploadState::Completing {
            write_id: WriteId(bytes("write-id")?),
            since: Ballot::from_bytes(bytes("since")?),
        },
        "aborting" => UploadState::Aborting {
            write_id: WriteId(bytes("write-id")?),
            since: Ballot::from_bytes(bytes("since")?),
        },
        "done" => UploadState::Done {
            write_id: WriteId(bytes("write-id")?),
            size: value("size")?.parse().ok()?,
            etag: bytes("etag")?,
            parts: value("parts")?.parse().ok()?,
            origin: Ballot::from_bytes(bytes("origin")?),
        },
        _ => return None,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 16]> {
    let number = u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32)?;
    Some(number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_comes_back() {
        let origin = Ballot {
            clock: 5 << 16,
            node: 2,
            boot: 3,
        };
        for state in [
            UploadState::Open,
            UploadState::Aborted,
            UploadState::Completing {
                write_id: WriteId([1; 16]),
                since: origin,
            },
            UploadState::Aborting {
                write_id: WriteId([4; 16]),
                since: origin,
            },
            UploadState::Done {
                write_id: WriteId([2; 16]),
                size: 1 << 40,
                etag: [3; 16],
                parts: 10_000,
                origin,
            },
        ] {
            let pairs = encode_state(&state)
                .into_iter()
                .map(|(name, value)| (format!("{PREFIX}{name}"), value))
                .collect();
            assert_eq!(decode_state(&Metadata { pairs }), Some(state));
        }
        assert_eq!(decode_state(&Metadata::default()), None);
    }
}
