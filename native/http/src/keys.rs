//! Who may sign, with each key's derived signing keys of the last two days at hand (deriving one costs four HMACs).

use crate::{Identity, Tables};
use openlake_checksum::sha256::{HmacKey, hmac};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// The only service whose signatures are accepted.
pub(crate) const SERVICE: &str = "s3";

/// The identities of one version of the tables.
pub(crate) struct Keys {
    pub region: String,
    by_access_key: HashMap<String, Key>,
}

/// One key pair.
pub(crate) struct Key {
    identity: Identity,
    /// Two, as requests of two days meet at midnight.
    days: RefCell<[Option<Day>; 2]>,
}

/// A derived signing key and the scope date it is for.
struct Day {
    scope_date: String,
    signing_key: Rc<HmacKey>,
}

impl Keys {
    /// Those of `tables`. A new version starts without derived keys, so a changed secret takes effect at once.
    pub(crate) fn new(tables: &Tables) -> Keys {
        let key = |identity: &Identity| {
            (
                identity.access_key.clone(),
                Key {
                    identity: identity.clone(),
                    days: RefCell::default(),
                },
            )
        };
        Keys {
            region: tables.region.clone(),
            by_access_key: tables.identities.iter().map(key).collect(),
        }
    }
    /// The key pair of an access key.
    pub(crate) fn get(&self, access_key: &str) -> Option<&Key> {
        self.by_access_key.get(access_key)
    }
    /// The signing key of a pair for a day: HMAC chain over date, region, service and `aws4_request`.
    pub(crate) fn signing_key(&self, key: &Key, scope_date: &str) -> Rc<HmacKey> {
        let mut days = key.days.borrow_mut();
        if let Some(day) = days.iter().flatten().find(|day| day.scope_date == scope_date) {
            return day.signing_key.clone();
        }
        let secret = format!("AWS4{}", key.identity.secret_key);
        let day = hmac(secret.as_bytes(), scope_date.as_bytes());
        let region = hmac(&day, self.region.as_bytes());
        let service = hmac(&region, SERVICE.as_bytes());
        let signing_key = Rc::new(HmacKey::new(&hmac(&service, b"aws4_request")));
        days.swap(0, 1);
        days[0] = Some(Day {
            scope_date: scope_date.to_owned(),
            signing_key: signing_key.clone(),
        });
        signing_key
    }
}
