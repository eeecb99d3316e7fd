/// Content codings.
enum ApusContent {}
