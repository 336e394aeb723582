use selkie::transports::PlainUdp;

use super::cluster::{ANY_PORT, Net, cluster_tests};

struct Udp;

cluster_tests!(Udp);

impl Net for Udp {
    type End = PlainUdp;

    fn new() -> Self {
        Self
    }

    fn bind(&self, _named: &str) -> PlainUdp {
        PlainUdp::bind(ANY_PORT).unwrap()
    }
}

#[test]
fn who_sleeps_through_ten_thousand_changes_ends_with_the_right_view() {
    smol::block_on(
        super::events::who_sleeps_through_ten_thousand_changes_ends_with_the_right_view(Udp),
    );
}
