//! The order of messages that have the same key, within one partition: see [`Order`].
//!
//! A key whose message is in hand has a lane; what arrives for it meanwhile waits there. Only the key's own messages wait
//! for each other. What waits has no place among the messages in hand, so that a key with many messages takes none from
//! the others.

use std::collections::{HashMap, VecDeque};

use pipeline_kafka::Delivery;

use crate::stage::Order;

/// Messages that may wait in one partition, those that are replaced by a newer one included.
const MAX_WAITING: usize = 10_000;

/// The lanes of one partition.
pub(crate) struct Lanes {
    order: Order,
    /// Of each key with a message in hand, what waits for it.
    lanes: HashMap<Vec<u8>, VecDeque<Turn>>,
    waiting: usize,
}

/// A message whose turn comes, and the offsets of older ones that it settles too.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) delivery: Delivery,
    pub(crate) replaces: Vec<i64>,
}

/// What becomes of a message that arrives.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// It is its turn.
    Begins(Turn),
    /// It waits for one of its key.
    Waits,
    /// It waits, and this older one is settled with it, unhandled.
    Replaces(Delivery),
}

// === impl Lanes ===

impl Lanes {
    pub(crate) fn new(order: Order) -> Self {
        Self { order, lanes: HashMap::new(), waiting: 0 }
    }

    /// Whether no more may arrive for now.
    pub(crate) fn are_full(&self) -> bool {
        self.waiting >= MAX_WAITING
    }

    /// A message has arrived.
    pub(crate) fn arrived(&mut self, delivery: Delivery) -> Arrival {
        let key = match (&delivery.key, self.order) {
            (Some(key), Order::ByKey | Order::NewestByKey) => key.clone(),
            (None, _) | (_, Order::Free) => return Arrival::Begins(Turn::of(delivery)),
        };
        let Some(lane) = self.lanes.get_mut(&key) else {
            self.lanes.insert(key, VecDeque::new());
            return Arrival::Begins(Turn::of(delivery));
        };
        self.waiting += 1;
        match lane.back_mut().filter(|_| self.order == Order::NewestByKey) {
            Some(waiting) => Arrival::Replaces(waiting.replace(delivery)),
            None => {
                lane.push_back(Turn::of(delivery));
                Arrival::Waits
            }
        }
    }

    /// A message of this key is settled. Gives the one whose turn it is now.
    pub(crate) fn settled(&mut self, key: Option<&[u8]>) -> Option<Turn> {
        let key = key?;
        let turn = self.lanes.get_mut(key)?.pop_front();
        match &turn {
            Some(turn) => self.waiting -= 1 + turn.replaces.len(),
            None => drop(self.lanes.remove(key)),
        }
        turn
    }
}

// === impl Turn ===

impl Turn {
    fn of(delivery: Delivery) -> Self {
        Self { delivery, replaces: Vec::new() }
    }

    /// A newer message in the place of this one, which is given back.
    fn replace(&mut self, newer: Delivery) -> Delivery {
        let older = std::mem::replace(&mut self.delivery, newer);
        self.replaces.push(older.position.offset);
        older
    }
}

#[cfg(test)]
mod tests {
    use pipeline_kafka::{Partition, Position};

    use super::*;

    fn message(key: Option<&str>, offset: i64) -> Delivery {
        let partition = Partition { topic: "t".to_owned(), number: 0 };
        let key = key.map(|key| key.as_bytes().to_vec());
        Delivery { position: Position { partition, offset }, key, payload: None, headers: Vec::new() }
    }

    fn begins(arrival: Arrival) -> bool {
        matches!(arrival, Arrival::Begins(_))
    }

    #[test]
    fn without_an_order_every_message_begins_at_once() {
        let mut lanes = Lanes::new(Order::Free);
        assert!((0..3).all(|offset| begins(lanes.arrived(message(Some("a"), offset)))));
        assert!(lanes.settled(Some(b"a")).is_none());
    }

    #[test]
    fn messages_of_a_key_follow_each_other_and_wait_for_no_other_key() {
        let mut lanes = Lanes::new(Order::ByKey);
        assert!(begins(lanes.arrived(message(Some("a"), 0))));
        assert!(begins(lanes.arrived(message(Some("b"), 1))));
        assert!(begins(lanes.arrived(message(None, 2))));
        assert!(begins(lanes.arrived(message(None, 3))), "what has no key follows nobody");
        assert!(matches!(lanes.arrived(message(Some("a"), 4)), Arrival::Waits));
        assert!(matches!(lanes.arrived(message(Some("a"), 5)), Arrival::Waits));
        let next = |lanes: &mut Lanes, key: &[u8]| lanes.settled(Some(key)).map(|turn| turn.delivery.position.offset);
        assert_eq!(next(&mut lanes, b"b"), None);
        assert_eq!(next(&mut lanes, b"a"), Some(4));
        assert_eq!(next(&mut lanes, b"a"), Some(5));
        assert_eq!(next(&mut lanes, b"a"), None);
        assert!(begins(lanes.arrived(message(Some("a"), 6))), "the lane is gone with its last message");
        assert_eq!((lanes.waiting, lanes.lanes.len()), (0, 1));
    }

    #[test]
    fn of_waiting_messages_of_a_key_the_newest_settles_the_older_ones() {
        let mut lanes = Lanes::new(Order::NewestByKey);
        assert!(begins(lanes.arrived(message(Some("a"), 0))));
        assert!(matches!(lanes.arrived(message(Some("a"), 1)), Arrival::Waits));
        for offset in 2..5 {
            let Arrival::Replaces(older) = lanes.arrived(message(Some("a"), offset)) else { panic!("{offset}") };
            assert_eq!(older.position.offset, offset - 1);
        }
        assert_eq!(lanes.waiting, 4);
        let turn = lanes.settled(Some(b"a")).unwrap();
        assert_eq!((turn.delivery.position.offset, turn.replaces), (4, vec![1, 2, 3]));
        assert_eq!(lanes.waiting, 0);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut lanes = Lanes::new(Order::NewestByKey);
        for offset in 0..=MAX_WAITING as i64 {
            assert!(!lanes.are_full());
            drop(lanes.arrived(message(Some("a"), offset)));
        }
        assert!(lanes.are_full());
        drop(lanes.settled(Some(b"a")));
        assert!(!lanes.are_full());
    }
}
