import ApusCore
import ApusHTTP2
import ApusWire
import HTTPTypes

// Extended CONNECT (RFC 8441): a stream that becomes a raw duplex, beside ordinary ones.

extension HTTP2LiveConnection {
    /// Whether the exchange has to wait: the peer's SETTINGS say whether it knows the method.
    func mustWait(_ exchange: Exchange) -> Bool {
        exchange.request.isExtendedConnect && !session.hasPeerSettings
    }

    /// The peer's SETTINGS have come: what waited for them goes out, or is refused.
    func sendWaiting() {
        let exchanges = waiting
        waiting = []
        for exchange in exchanges {
            guard wire.isOpen, drainReason == nil, session.hasRoom, !exchange.hasEnded else {
                exchange.timers.stop(on: loop)
                keeper.released(self)
                fail(exchange, .notSent)
                continue
            }
            submit(exchange)
        }
    }

    /// The connection has ended first.
    func failWaiting() {
        let exchanges = waiting
        waiting = []
        for exchange in exchanges {
            exchange.timers.stop(on: loop)
            fail(exchange, .notSent)
        }
    }

    /// Takes back an exchange that waits; `false` when it does not.
    func withdraw(_ exchange: Exchange) -> Bool {
        guard let index = waiting.firstIndex(where: { $0 === exchange }) else { return false }
        waiting.remove(at: index)
        exchange.timers.stop(on: loop)
        keeper.released(self)
        return true
    }

    /// A 2xx makes a duplex of the stream; any other answer is a response like any other, and our
    /// side of the stream is over.
    ///
    /// - Returns: whether it is a duplex now.
    func duplexOpened(_ response: HTTPResponse, on id: HTTP2StreamID) -> Bool {
        guard let exchange = streams[id]?.exchange else { return false }
        guard response.status.kind == .successful else {
            session.send(.empty, endOfBody: true, on: id)
            return false
        }
        exchange.timers.stop(on: loop)
        let duplex = HTTP2Duplex(id, of: self, exchange)
        streams[id]?.duplex = duplex
        if exchange.upgraded(response, to: duplex) {
            exchange.wake()
        } else {
            reset(id)
        }
        return true
    }

    /// The peer's side of a duplex has ended; our own goes on.
    ///
    /// Where the stream has ended before our side did, the reason is reported next.
    func duplexEnded(_ duplex: HTTP2Duplex, on id: HTTP2StreamID) {
        if !session.isOpen(id), duplex.isDone { streamClosed(id) }
        duplex.ended()
    }

    // MARK: From any thread

    nonisolated func sendDuplex(_ bytes: Bytes, isEnd: Bool, on id: HTTP2StreamID) {
        onLoop(loop) { connection in
            guard connection.wire.isOpen else { return }
            connection.session.send(bytes, endOfBody: isEnd, on: id)
            connection.scheduleFlush()
        }
    }

    nonisolated func duplexTook(_ count: Int, from id: HTTP2StreamID) {
        onLoop(loop) { connection in
            guard connection.wire.isOpen else { return }
            connection.session.consumed(count, on: id)
            if connection.session.wantsOutput { connection.scheduleFlush() }
        }
    }

    nonisolated func closeDuplex(_ id: HTTP2StreamID) {
        onLoop(loop) { connection in
            guard connection.streams[id] != nil, connection.wire.isOpen else { return }
            connection.reset(id)
        }
    }
}
