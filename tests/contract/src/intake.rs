//! An intake: golden messages mean what they say, the same bytes twice mean the same, any bytes mean something.

use pipeline_core::intake::Intake;
use pipeline_kafka::{Delivery, Outbound, Partition, Position};
use pipeline_model::disposition::{Classify as _, Disposition};

use crate::world::{World, hostile};

/// Fails unless the intake keeps its contract. `meaning` says in words what a record is, so that two can be compared;
/// each golden message comes with what it has to say.
pub async fn keeps_its_contract<I: Intake>(
    world: &World,
    golden: &[(Outbound, String)],
    meaning: impl Fn(&I) -> String,
) {
    assert!(!I::topics(&world.settings).is_empty(), "it comes from no topic");
    for (message, expected) in golden {
        let found = I::decode(&world.codec, &delivered(message)).await;
        assert_eq!(&found.map(|record| meaning(&record)).unwrap_or_else(|error| panic!("{error}")), expected);
        for strange in hostile(message) {
            let delivery = delivered(&strange);
            let (first, second) = (I::decode(&world.codec, &delivery).await, I::decode(&world.codec, &delivery).await);
            match (first, second) {
                (Ok(first), Ok(second)) => assert_eq!(meaning(&first), meaning(&second), "{strange:?}"),
                (Err(first), Err(second)) => {
                    assert_eq!((first.code(), first.to_string()), (second.code(), second.to_string()), "{strange:?}");
                    // Nothing that somebody sends is a fault of this program.
                    assert_ne!(first.disposition(), Disposition::Halt, "{strange:?}: {first}");
                }
                _ => panic!("read once and not twice: {strange:?}"),
            }
        }
    }
}

/// As it would lie in its topic.
pub fn delivered(message: &Outbound) -> Delivery {
    let Outbound { topic, key, payload, headers } = message.clone();
    Delivery { position: Position { partition: Partition { topic, number: 0 }, offset: 0 }, key, payload, headers }
}
