//! The agent.
/// Stub.
#[derive(Debug)]
pub struct Builder;
/// Stub.
#[derive(Debug)]
pub struct Cluster;
