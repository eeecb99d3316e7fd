import ApusSocket

/// What an HTTP/1.1 connection does.
enum HTTP1Work {
    /// Nothing: it is idle, or has ended. Exits: `.exchange`.
    case none
    /// It carries this exchange. Exits: `.none`, `.drain`, `.duplex`.
    case exchange(Exchange)
    /// It reads the rest of a response that no caller wants, only to be kept: so many bytes more,
    /// until the timer. Exits: `.none`.
    case drain(bytesLeft: Int, LoopTimer)
    /// It has left HTTP: the wire is the duplex's. No exits.
    case duplex(WireDuplex)
}
