//! Rules left out on purpose, by name: each must lead to a violation, else the model would not see that the rule is needed.

/// Names of all planted bugs; what each leaves out stands in docs/decisions/0005-versioned-keys.md and in protocol.md section 12.
pub const NAMES: [&str; 39] = [
    "no_writeback",
    "r_equal",
    "early_discard",
    "accept_older",
    "cond_read",
    "cond_few",
    "volatile_promise",
    "blind_retry",
    "no_supersede_check",
    "skip_undecodable",
    "fail_unsettled",
    "refuse_means_dead",
    "blank_counts",
    "blank_nofloor",
    "heal_force",
    "gc_w",
    "gc_nofloor",
    "stable_early",
    "heal_unstable",
    "heal_nobarrier",
    "heal_early",
    "dup_refusal",
    "w_small",
    "stable_drops_versions",
    "marker_skipped",
    "removal_forgets",
    "removal_unprepared",
    "pointer_unsettled",
    "top_unsettled",
    "walk_instead_of_pointer",
    "republished_is_newest",
    "tombstone_over_versions",
    "gc_dangling",
    "gc_no_grace",
    "fragment_unfrozen",
    "absent_is_dead",
    "own_older_succeeds",
    "retry_knows_nothing",
    "shards_of_any_version",
];

/// A set of planted bugs.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Bugs(u64);

impl Bugs {
    /// Plants a bug; `false`: there is none of that name.
    pub fn plant(&mut self, name: &str) -> bool {
        let at = NAMES.iter().position(|known| *known == name);
        self.0 |= at.map_or(0, |at| 1 << at);
        at.is_some()
    }
}

macro_rules! questions {
    ($($name:ident)*) => {
        impl Bugs {
            $(
                #[doc = concat!("Whether `", stringify!($name), "` is planted.")]
                pub const fn $name(self) -> bool {
                    self.0 >> index_of(stringify!($name)) & 1 == 1
                }
            )*
        }
    };
}

const fn index_of(name: &str) -> usize {
    let mut at = 0;
    while at < NAMES.len() {
        if equal(NAMES[at].as_bytes(), name.as_bytes()) {
            return at;
        }
        at += 1;
    }
    panic!("a question about a bug that is not in the list")
}

const fn equal(left: &[u8], right: &[u8]) -> bool {
    let mut at = 0;
    while at < left.len() && at < right.len() && left[at] == right[at] {
        at += 1;
    }
    left.len() == right.len() && at == left.len()
}

questions! {
    no_writeback r_equal early_discard accept_older cond_read cond_few volatile_promise
    blind_retry no_supersede_check skip_undecodable fail_unsettled refuse_means_dead blank_counts blank_nofloor
    heal_force gc_w gc_nofloor stable_early heal_unstable heal_nobarrier heal_early
    dup_refusal w_small stable_drops_versions marker_skipped removal_forgets removal_unprepared pointer_unsettled
    top_unsettled walk_instead_of_pointer republished_is_newest tombstone_over_versions gc_dangling gc_no_grace fragment_unfrozen
    absent_is_dead own_older_succeeds retry_knows_nothing shards_of_any_version
}
