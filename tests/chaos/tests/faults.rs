//! The short tier: one case for each kind of fault, each ending with the checker.
//!
//! Every case has a broker of its own. Waits are for conditions; where a fault has a length, that length is part of
//! the fault.
#![expect(clippy::panic, clippy::expect_used, reason = "test code outside of test functions")]
#![expect(clippy::print_stdout, reason = "seeds and times are for people: nothing else reads them")]

mod faults {
    mod alone;
    mod bounded;
    mod clock;
    mod cluster;
    mod collector;
    mod crash_points;
    mod etags;
    mod fan_in;
    mod large_records;
    mod links;
    mod locks;
    mod machine;
    mod outages;
    mod packets;
    mod poison;
    mod random;
    mod rebalances;
    mod recovery;
    mod refusals;
    mod registry;
    mod source;
    mod stopped_worker;
}
