//! Mistakes that do not compile, and what the compiler says of them.
#![cfg(all(feature = "smol", feature = "postcard"))]

#[test]
fn a_builder_without_codec_or_transport_says_which_call_is_missing() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/compile_fail/*.rs");
}
