use futures::io::Cursor;
use smol::block_on;

use super::*;

fn written(bytes: &[u8]) -> Vec<u8> {
    let mut stream = Cursor::new(Vec::new());
    block_on(write_frame(&mut stream, bytes)).expect("a vector takes it");
    stream.into_inner()
}

fn read(stream: &[u8], max: usize) -> io::Result<Vec<u8>> {
    block_on(read_frame(&mut Cursor::new(stream), max))
}

/// The dump in `docs/wire.md`.
#[test]
fn a_frame_is_a_length_and_bytes() {
    assert_eq!(written(b"frame"), b"\0\0\0\x05frame");
}

#[test]
fn what_was_written_is_read() {
    for len in [0, 1, CHUNK_LEN, CHUNK_LEN + 1, 3 << 20] {
        let frame = vec![7; len];
        let mut stream = Cursor::new(written(&frame));
        assert!(block_on(read_frame(&mut stream, len)).expect("whole") == frame);
        let next = block_on(read_len(&mut stream)).expect("the end");
        assert_eq!(next, None);
    }
}

#[test]
fn what_is_too_long_or_ends_early_is_refused() {
    let kind = |result: io::Result<_>| result.map_err(|error| error.kind());
    let stream = written(b"frame");
    assert_eq!(kind(read(&stream, 4)), Err(io::ErrorKind::InvalidData));
    for len in 0..stream.len() {
        let short = stream.get(..len).expect("shorter");
        assert_eq!(kind(read(short, 9)), Err(io::ErrorKind::UnexpectedEof));
    }
    let claims = u32::MAX.to_be_bytes();
    assert_eq!(
        kind(read(&claims, usize::MAX)),
        Err(io::ErrorKind::UnexpectedEof)
    );
}

#[test]
fn larger_frames_have_more_time() {
    assert_eq!(patience(0), PATIENCE);
    assert!(patience(16 << 20) > 10 * PATIENCE);
}
