/// Web sockets.
enum ApusWebSocket {}
