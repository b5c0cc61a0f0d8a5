//! Which key a worker touches next, and what a reader of that key may see.
//!
//! Every worker owns its keys, so the operations on a key follow one another. A version whose write was acknowledged must be seen; one
//! whose outcome is unknown (a 503 after a publish, a broken connection) may be seen from then on, at any time.

/// What is known of one key.
#[derive(Clone, Debug)]
pub struct KeyRecord {
    /// Highest version ever sent.
    pub sent: u64,
    /// The acknowledged state: a version, or 0 for absent.
    acknowledged: u64,
    /// Versions (0: a delete) that may have taken effect or may yet.
    unknown: Vec<u64>,
}

impl KeyRecord {
    /// A key that was never written.
    pub fn absent() -> KeyRecord {
        KeyRecord {
            sent: 0,
            acknowledged: 0,
            unknown: Vec::new(),
        }
    }
    /// A key that an earlier run left at version 1.
    pub fn first() -> KeyRecord {
        KeyRecord {
            sent: 1,
            acknowledged: 1,
            unknown: Vec::new(),
        }
    }
    /// A write of `version` (0: a delete) was acknowledged.
    pub fn acknowledge(&mut self, version: u64) {
        self.acknowledged = version;
    }
    /// The outcome of a write of `version` is unknown.
    pub fn doubt(&mut self, version: u64) {
        if !self.unknown.contains(&version) {
            self.unknown.push(version);
        }
    }
    /// Whether a reader may see `version` (0: absent).
    pub fn allows(&self, version: u64) -> bool {
        self.acknowledged == version || self.unknown.contains(&version)
    }
    /// What readers may see, in words.
    pub fn expectation(&self) -> String {
        let name = |version: &u64| {
            if *version == 0 {
                "absent".to_owned()
            } else {
                format!("version {version}")
            }
        };
        let unknown: Vec<String> = self.unknown.iter().map(name).collect();
        let acknowledged = name(&self.acknowledged);
        if unknown.is_empty() {
            acknowledged
        } else {
            format!("{acknowledged}, or of unknown outcome: {}", unknown.join(", "))
        }
    }
    /// Whether the key is certainly there.
    pub fn is_present(&self) -> bool {
        self.acknowledged != 0 && !self.unknown.contains(&0)
    }
}

#[cfg(test)]
mod tests {
    use super::KeyRecord;

    #[test]
    fn acknowledged_state_replaces_the_older_one_but_not_doubts() {
        let mut key = KeyRecord::absent();
        assert!(key.allows(0) && !key.is_present());
        key.acknowledge(1);
        assert!(key.allows(1) && !key.allows(0) && key.is_present());
        key.doubt(2);
        assert!(key.allows(1) && key.allows(2));
        key.acknowledge(3);
        assert!(!key.allows(1) && key.allows(2) && key.allows(3));
        assert_eq!(key.expectation(), "version 3, or of unknown outcome: version 2");
    }
}
