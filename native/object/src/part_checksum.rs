//! The checksum of an object made of parts, from the checksums of its parts: no byte is read again.
//!
//! S3 knows two kinds ("Checking object integrity", S3 User Guide). FULL_OBJECT is the checksum of all bytes; CRCs of adjoining pieces
//! combine into it. COMPOSITE is the checksum of the parts' checksums one behind the other, written `VALUE-PARTS`.

use crate::metadata::Metadata;
use openlake_checksum::{Algorithm, Hasher, base64, combine, combine_crc32, combine_crc32c};

/// What an upload was created with, and what the finished object's kind of checksum is called.
const ALGORITHM: &str = "x-amz-checksum-algorithm";
const TYPE: &str = "x-amz-checksum-type";

/// A part's checksum: the algorithm and its raw value.
pub type PartChecksum = (Algorithm, Vec<u8>);

/// The checksum that a part was stored with.
pub(crate) fn of_part(metadata: &Metadata) -> Option<PartChecksum> {
    metadata.pairs.iter().find_map(|(name, value)| {
        let algorithm = Algorithm::from_header(name)?;
        let value = base64::decode(value).filter(|value| value.len() == algorithm.length_bytes())?;
        Some((algorithm, value))
    })
}

/// The metadata of the finished object: that of the upload, with the checksum over `parts` (size in bytes and checksum, in order) where
/// the upload asked for one and every part has it.
pub(crate) fn finished(upload: &Metadata, parts: &[(u64, Option<PartChecksum>)]) -> Metadata {
    let asked = upload.get(ALGORITHM).and_then(Algorithm::from_header);
    let composite = upload.get(TYPE) == Some("COMPOSITE");
    let mut pairs = upload.pairs.clone();
    pairs.retain(|(name, _)| name != ALGORITHM && name != TYPE);
    if let Some((algorithm, value)) = asked.and_then(|algorithm| Some((algorithm, over(algorithm, composite, parts)?))) {
        pairs.push((algorithm.header_name().to_owned(), value));
        let name = if composite { "COMPOSITE" } else { "FULL_OBJECT" };
        pairs.push((TYPE.to_owned(), name.to_owned()));
    }
    Metadata { pairs }
}

/// The checksum as S3 writes it; `None` where a part lacks it, or where the algorithm has none of this kind.
fn over(algorithm: Algorithm, composite: bool, parts: &[(u64, Option<PartChecksum>)]) -> Option<String> {
    let values = parts.iter().map(|(size, checksum)| {
        let (_, value) = checksum.as_ref().filter(|(known, _)| *known == algorithm)?;
        Some((*size, value.as_slice()))
    });
    let values: Vec<(u64, &[u8])> = values.collect::<Option<_>>()?;
    if composite {
        let mut hasher = Hasher::new(algorithm);
        values.iter().for_each(|(_, value)| hasher.update(value));
        return Some(format!("{}-{}", base64::encode(&hasher.finish()), parts.len()));
    }
    let joined = match algorithm {
        Algorithm::Crc32 => fold(&values, |whole, next, size| {
            Some(combine_crc32(u32::try_from(whole).ok()?, u32::try_from(next).ok()?, size).into())
        })?,
        Algorithm::Crc32c => fold(&values, |whole, next, size| {
            Some(combine_crc32c(u32::try_from(whole).ok()?, u32::try_from(next).ok()?, size).into())
        })?,
        Algorithm::Crc64Nvme => fold(&values, |whole, next, size| Some(combine(whole, next, size)))?,
        Algorithm::Sha1 | Algorithm::Sha256 => return None,
    };
    let bytes = joined.to_be_bytes();
    let bytes = bytes.get(bytes.len().checked_sub(algorithm.length_bytes())?..)?;
    Some(base64::encode(bytes))
}

/// Joins CRCs from left to right.
fn fold(values: &[(u64, &[u8])], join: impl Fn(u64, u64, u64) -> Option<u64>) -> Option<u64> {
    let number = |value: &[u8]| value.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    let ((_, first), rest) = values.split_first()?;
    rest.iter()
        .try_fold(number(first), |whole, (size, value)| join(whole, number(value), *size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(algorithm: Algorithm, bytes: &[u8]) -> Vec<u8> {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    fn upload(algorithm: Algorithm, kind: &str) -> Metadata {
        let pairs = [("content-type", "text/plain"), (ALGORITHM, algorithm.name()), (TYPE, kind)];
        Metadata {
            pairs: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        }
    }

    #[test]
    fn full_object_checksums_are_those_of_all_bytes() {
        let pieces: [&[u8]; 3] = [b"one ", b"", b"two three"];
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let parts = pieces.map(|piece| (piece.len() as u64, Some((algorithm, digest(algorithm, piece)))));
            let metadata = finished(&upload(algorithm, "FULL_OBJECT"), &parts);
            let expected = base64::encode(&digest(algorithm, &pieces.concat()));
            assert_eq!(metadata.get(algorithm.header_name()), Some(expected.as_str()));
            assert_eq!(metadata.get(TYPE), Some("FULL_OBJECT"));
            assert_eq!(metadata.get(ALGORITHM), None);
            assert_eq!(metadata.get("content-type"), Some("text/plain"));
        }
    }

    #[test]
    fn composite_checksums_are_those_of_the_checksums() {
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Sha1, Algorithm::Sha256] {
            let values = [digest(algorithm, b"one"), digest(algorithm, b"two")];
            let parts = [(3, Some((algorithm, values[0].clone()))), (3, Some((algorithm, values[1].clone())))];
            let metadata = finished(&upload(algorithm, "COMPOSITE"), &parts);
            let expected = format!("{}-2", base64::encode(&digest(algorithm, &values.concat())));
            assert_eq!(metadata.get(algorithm.header_name()), Some(expected.as_str()));
            assert_eq!(metadata.get(TYPE), Some("COMPOSITE"));
        }
    }

    #[test]
    fn without_all_parts_there_is_no_checksum() {
        let crc = |piece: &[u8]| Some((Algorithm::Crc32, digest(Algorithm::Crc32, piece)));
        for parts in [
            vec![(3, crc(b"one")), (3, None)],
            vec![(3, crc(b"one")), (3, Some((Algorithm::Sha1, vec![0; 20])))],
        ] {
            let metadata = finished(&upload(Algorithm::Crc32, "COMPOSITE"), &parts);
            assert_eq!(metadata.pairs, [("content-type".to_owned(), "text/plain".to_owned())]);
        }
        assert_eq!(finished(&Metadata::default(), &[(3, crc(b"one"))]), Metadata::default());
    }
}
