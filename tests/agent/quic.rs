use selkie::transports::{Quic, certs::DevCa, quic::Credentials};

use super::cluster::{ANY_PORT, Net, cluster_tests};

struct Sealed(DevCa);

cluster_tests!(Sealed);

impl Net for Sealed {
    type End = Quic;

    fn new() -> Self {
        Self(DevCa::new("test").unwrap())
    }

    fn bind(&self, named: &str) -> Quic {
        let issued = self.0.issue(named).unwrap();
        let credentials = Credentials::from_issued(&issued).unwrap();
        Quic::bind(ANY_PORT, &credentials).unwrap()
    }
}
