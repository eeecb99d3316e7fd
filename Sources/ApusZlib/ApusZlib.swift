/// Streams of zlib, for the layers that compress.
enum ApusZlib {}
