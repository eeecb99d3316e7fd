/// Lines and server-sent events.
enum ApusEvents {}
